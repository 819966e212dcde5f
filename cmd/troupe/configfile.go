package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// maxConfigFile is far more than settings take.
const maxConfigFile = 1 << 20

// configFile is the path of a YAML file with settings: the flags of its command by name, without the dashes in front. A flag on the command line and a variable
// of the environment win over the file; a key that is no flag is an error.
type configFile string

// BeforeResolve is called by kong before it asks the resolvers for what the command line left open.
func (c configFile) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	// On the command line the value is not applied yet; from the environment it is.
	path := c
	if v, ok := ctx.FlagValue(trace.Flag).(configFile); ok && v != "" {
		path = v
	}
	if path == "" {
		return nil
	}
	node := ctx.Selected()
	if node == nil {
		return nil
	}
	file, err := readConfig(string(path), node.Flags)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	ctx.AddResolver(file)
	return nil
}

// notInFile are the flags that say what to do rather than how.
func notInFile(flag string) bool { return flag == "config" || flag == "check" || flag == "help" }

// config is a parsed file.
type config struct {
	path   string
	values map[string]*yaml.Node // by flag
}

func readConfig(path string, flags []*kong.Flag) (*config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxConfigFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxConfigFile)
	}
	values, err := parseConfig(text, flags)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &config{path: path, values: values}, nil
}

// parseConfig reads one YAML mapping from the names of flags to scalars or lists of scalars. A file without any setting is fine.
func parseConfig(text []byte, flags []*kong.Flag) (map[string]*yaml.Node, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	values := map[string]*yaml.Node{}
	if root.Kind == 0 || root.Content[0].Tag == "!!null" {
		return values, nil
	}
	mapping := root.Content[0]
	if mapping.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: settings are written as name: value", mapping.Line)
	}
	var names []string
	for _, flag := range flags {
		if !notInFile(flag.Name) {
			names = append(names, flag.Name)
		}
	}
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		known := false
		for _, name := range names {
			known = known || name == key.Value
		}
		switch {
		case !known:
			return nil, fmt.Errorf("line %d: there is no setting %q%s", key.Line, key.Value, suggestion(key.Value, names))
		case values[key.Value] != nil:
			return nil, fmt.Errorf("line %d: %s is set twice", key.Line, key.Value)
		}
		if err := checkValue(value); err != nil {
			return nil, fmt.Errorf("line %d: %s %w", value.Line, key.Value, err)
		}
		values[key.Value] = value
	}
	return values, nil
}

// checkValue accepts a scalar or a list of scalars.
func checkValue(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
				return errors.New("must be a list of single values")
			}
		}
		return nil
	case n.Kind != yaml.ScalarNode:
		return errors.New("must be one value or a list of values")
	case n.Tag == "!!null":
		return errors.New("has no value")
	}
	return nil
}

// Validate implements kong.Resolver. The keys have been checked already.
func (c *config) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver: the value of a flag that is neither on the command line nor in the environment. Scalars are taken as they are written, so
// that they mean what they mean on the command line.
func (c *config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	node := c.values[flag.Name]
	if node == nil || fromEnvironment(flag) {
		return nil, nil
	}
	var value any = node.Value
	if node.Kind == yaml.SequenceNode {
		items := make([]any, len(node.Content))
		for i, item := range node.Content {
			items[i] = item.Value
		}
		value = items
	}
	// Kong would not say where the value came from.
	scratch := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: kong.Scan().PushTyped(value, kong.FlagValueToken)}, scratch); err != nil {
		return nil, fmt.Errorf("%s line %d: %w", c.path, node.Line, err)
	}
	return value, nil
}
