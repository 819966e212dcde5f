package runtime

import "strings"

// Realign compares two sequences of tokens, which have the first common ones in common, by what they spell: history[:keep] and prompt[:rest] are the
// longest beginnings that spell the same. So a prompt whose text was tokenised in another way than it was generated can go on from history[:keep] with
// prompt[rest:].
//
// piece returns what a token spells, in any form in which equal joined pieces mean equal text. A token that stands for something else than what it spells,
// such as the end of a turn, is not plain: it is equal only to itself.
func Realign(history, prompt []int32, common int, piece func(id int32) (text string, plain bool)) (keep, rest int) {
	i, j := common, common
	keep, rest = i, j
	var ahead string  // what one side has spelt and the other has not
	var inPrompt bool // which one
	for {
		switch {
		case ahead == "":
			keep, rest = i, j
			if i == len(history) || j == len(prompt) {
				return keep, rest
			}
			a, plainA := piece(history[i])
			b, plainB := piece(prompt[j])
			same := history[i] == prompt[j]
			i, j = i+1, j+1
			switch {
			case same:
			case !plainA || !plainB || a == "" || b == "":
				return keep, rest
			case strings.HasPrefix(a, b):
				ahead, inPrompt = a[len(b):], false
			case strings.HasPrefix(b, a):
				ahead, inPrompt = b[len(a):], true
			default:
				return keep, rest
			}
		default:
			side, at := history, &i
			if !inPrompt {
				side, at = prompt, &j
			}
			if *at == len(side) {
				return keep, rest
			}
			text, plain := piece(side[*at])
			*at++
			switch {
			case !plain || text == "":
				return keep, rest
			case strings.HasPrefix(ahead, text):
				ahead = ahead[len(text):]
			case strings.HasPrefix(text, ahead):
				ahead, inPrompt = text[len(ahead):], !inPrompt
			default:
				return keep, rest
			}
		}
	}
}
