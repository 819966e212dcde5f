package chat

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

const chatML = `{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`

func render(t *testing.T, source string, in Input) string {
	t.Helper()
	tmpl, err := Parse(source)
	require.NoError(t, err)
	text, err := tmpl.Render(context.Background(), in)
	require.NoError(t, err)
	return text
}

func TestChatML(t *testing.T) {
	in := Input{
		Messages:            []Message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "Hi"}},
		AddGenerationPrompt: true,
	}
	require.Equal(t, "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", render(t, chatML, in))
}
