package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Quantization is MLX's affine form: Bits-bit unsigned integers, and for each
// Group of them along a row a scale and a bias. w = scale*q + bias.
type Quantization struct {
	Group int // 32, 64 or 128
	Bits  int // 4 or 8
}

func (q Quantization) validate() error {
	if q.Group != 32 && q.Group != 64 && q.Group != 128 {
		return fmt.Errorf("quantisation group_size %d is not supported, only 32, 64 and 128", q.Group)
	}
	if q.Bits != 4 && q.Bits != 8 {
		return fmt.Errorf("quantisation to %d bits is not supported, only 4 and 8", q.Bits)
	}
	return nil
}

// quantizations is what config.json says: a default, and exceptions by layer.
// An exception of nil means that the layer is not quantised.
type quantizations struct {
	base       *Quantization
	exceptions map[string]*Quantization
}

// readQuantization reads "quantization", or "quantization_config" if that is
// MLX's copy of it. Foreign methods (gptq, awq, fp8, …) are refused by name.
func readQuantization(c *config) (*quantizations, error) {
	raw, key := c.Quantization, "quantization"
	if isNull(raw) {
		raw, key = c.QuantizationConfig, "quantization_config"
	}
	if isNull(raw) {
		return &quantizations{}, nil
	}
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, fmt.Errorf("%s is not an object", key)
	}
	if method, ok := entries["quant_method"]; ok && key == "quantization_config" {
		return nil, fmt.Errorf("quant_method %s is not supported; convert the model with mlx-lm (affine, 4 or 8 bits)", method)
	}
	base, err := readAffine(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	q := &quantizations{base: base, exceptions: map[string]*Quantization{}}
	for name, entry := range entries {
		if name == "group_size" || name == "bits" || name == "mode" {
			continue
		}
		switch string(bytes.TrimSpace(entry)) {
		case "false":
			q.exceptions[name] = nil
		case "true":
			q.exceptions[name] = base
		default:
			if !bytes.HasPrefix(bytes.TrimSpace(entry), []byte("{")) {
				continue // some other setting, not a layer
			}
			if q.exceptions[name], err = readAffine(entry); err != nil {
				return nil, fmt.Errorf("%s of %s: %w", key, name, err)
			}
		}
	}
	return q, nil
}

func readAffine(raw json.RawMessage) (*Quantization, error) {
	var v struct {
		Group *int    `json:"group_size"`
		Bits  *int    `json:"bits"`
		Mode  *string `json:"mode"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, jsonReason(raw, err)
	}
	if mode := deref(v.Mode, "affine"); mode != "affine" {
		return nil, fmt.Errorf("quantisation mode %q is not supported, only affine", mode)
	}
	if v.Group == nil || v.Bits == nil {
		return nil, errors.New("group_size or bits is missing")
	}
	q := &Quantization{Group: *v.Group, Bits: *v.Bits}
	return q, q.validate()
}

// of says how the linear layer or embedding at path is stored, or nil if its
// weight is plain. An explicit entry wins; otherwise the layer is quantised if
// it has scales, and the parameters follow from the shapes, since the default
// in config.json may be wrong for a layer of a mixed model.
func (q *quantizations) of(path string, in int, index *Index) (*Quantization, error) {
	if exception, ok := q.exceptions[path]; ok {
		return exception, nil
	}
	scales, ok := index.Tensors[path+".scales"]
	if !ok {
		return nil, nil
	}
	weight, ok := index.Tensors[path+".weight"]
	if !ok || len(weight.Shape) != 2 || len(scales.Shape) != 2 || scales.Shape[1] < 1 {
		return nil, fmt.Errorf("%s has scales, but not the shape of a quantised layer", path)
	}
	found := &Quantization{
		Group: int(int64(in) / scales.Shape[1]),
		Bits:  int(weight.Shape[1] * 32 / int64(in)),
	}
	if err := found.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return found, nil
}

func isNull(raw json.RawMessage) bool {
	return len(raw) == 0 || string(bytes.TrimSpace(raw)) == "null"
}
