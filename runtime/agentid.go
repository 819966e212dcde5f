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

// JoinAgent is the opposite of SplitAgent. Names have no slash; an anonymous agent has no name, and so no id.
func JoinAgent(owner, name string) string {
	if owner == "" || name == "" {
		return name
	}
	return owner + "/" + name
}
