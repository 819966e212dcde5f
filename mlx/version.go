package mlx

// Version is the version of MLX that this package is written for; fetch.sh and
// graph.h have the same.
const Version = "0.32.4"

// Available returns nil if this binary was built with MLX, else ErrNotBuilt.
func Available() error {
	if built {
		return nil
	}
	return ErrNotBuilt
}
