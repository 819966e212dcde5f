package runtime

import "strings"

// SplitAgent takes the id of an agent apart: an owner and a slash, unless it has no owner, and the name that its client calls it by.
func SplitAgent(id string) (owner, name string) {
	owner, name, owned := strings.Cut(id, "/")
	if !owned {
		return "", id
	}
	return owner, name
}
