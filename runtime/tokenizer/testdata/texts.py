"""Texts for training and for the cases. All of them were written for this repository."""

import random

CORPUS = """
The agents share one server, and every agent keeps its own memory of what was said.
When the pool runs short, blocks that nobody leases go first; then idle agents sleep on disk.
It's a small model, but it doesn't forget: you've told it 'blue', they'll hear 'blue'. I'm sure we'd agree.
She said: "Don't worry, 12 of 345 tests failed, 6789 passed in 3.14159 seconds (99.95 %)."
HTTPServer, parseJSON, getUserID, snake_case_name, CONSTANT_VALUE and kebab-case are all names.
Der Bär läuft über die grüne Straße, während Übermut und Fröhlichkeit ihn führen.
Où est la bibliothèque ? Elle est près de l'école, là-bas, à côté du café.
El niño comió piñas en la montaña; ¿cómo estás, señora? ¡Qué lástima!
Съешь ещё этих мягких французских булок, да выпей же чаю. Привет, мир!
Η γρήγορη αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.
今日は天気がいいですね。東京へ行きましょう。カタカナとひらがなと漢字。
你好，世界！我们今天去北京看长城，明天回来。三个和尚没水喝。
안녕하세요, 세계! 오늘은 날씨가 좋습니다.
مرحبا بالعالم، كيف حالك اليوم؟ שלום עולם, מה שלומך?
नमस्ते दुनिया, आप कैसे हैं? สวัสดีชาวโลก วันนี้อากาศดี
def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)
func main() {
\tfor i := 0; i < 10; i++ {
\t\tfmt.Println("i =", i, "and i*i =", i*i)
\t}
}
SELECT id, name FROM users WHERE age >= 18 AND city = 'Köln' ORDER BY name;
<html><body class="main"><p>Hello &amp; goodbye</p></body></html>
{"model": "starter", "messages": [{"role": "user", "content": "hi"}], "stream": true}
https://example.org/path/to/file.html?query=1&other=two#anchor   me@example.org
Emoji: 😀 😃 👍🏽 👩‍👩‍👧‍👦 🇩🇪 🏳️‍🌈 ❤️ and text.
x = 1_000_000 + 0xFF - 0b1010; y = 1e-9; z += x // y
""".strip("\n")

FIXED = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n ", "\n \n", "   \n\n\n   x", "a", "a ", " a", "  a", "a  b", "a   b    c     ",
    "Hello, world!", "hello world", "HELLO WORLD", "Hello\nworld", "Hello\r\nworld\r\n", "tab\tseparated\tvalues", "trailing space ",
    "  leading", "x\u00a0y\u2003z\u3000w", "a\u200bb\u200cc\u200dd\ufeffe", "line\u2028sep\u2029par\u0085nel\x0bvt\x0cff",
    "don't DON'T Don'T we'll WE'LL they'RE I'M i'd I'D he's HE'S it'ſ 've", "'s't're've'm'll'd", "''s ' s", "rock'n'roll o'clock",
    "1 12 123 1234 12345 123456789", "3.14159 1,000,000 1e10 0xdeadbeef 50% $9.99", "٠١٢٣ ४५६ ①②③ ½ Ⅷ 五百", "a1b2c3 x86_64 v2.0-beta3",
    "camelCaseString HTTPRequest XMLHttpRequest iOS macOS eBay McDonald ABCdefGHI", "ÀÉÎÕÜ àéîõü ǅǈǋ ʰʲ ªº ßẞ İıſ", "Straße STRASSE ﬁ ﬂ ﬃ Ω Å K",
    "e\u0301 a\u0308 n\u0303 \u0301x q\u0307\u0323 q\u0323\u0307 \u1e9b\u0323 \u212b \u2126", "한국어 \u1112\u1161\u11ab\u1100\u116e\u11a8 각",
    "Z\u0351\u036b\u0343a\u0363\u0368l\u034ag\u0321o\u035f", "a" + "\u0301\u0323\u0308" * 14 + "b", "\u0300" * 40, "क्षत्रिय ज़ ड़ ঀ", "ก็ที่น้ำ",
    "\U0001fae9 \U0001fac6x \U0001cc39\u0301 \u1c89\u1c8a \U0002ebf0\U0002ee5d\u4e00 \U00010d40\U00010d41", "你好世界", "你好,世界!Hello世界", "東京タワーへ行った", "ひらがなカタカナ漢字", "ｆｕｌｌｗｉｄｔｈ　ＡＢＣ１２３", "안녕하세요 세계", "Привет, мир! Ёлки-палки",
    "Ελληνικά γλώσσα ΣΊΣΥΦΟΣ", "مرحبا بالعالم ۱۲۳", "שלום עולם", "สวัสดีครับ", "नमस्ते", "ተስፋ", "მშვიდობა", "Ի", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟘𝟙𝟚 𐍈 𠀀𠀁",
    "😀", "😀😃😄", "👩‍👩‍👧‍👦 family", "👍🏽👍🏿", "🇩🇪🇫🇷🇯🇵", "🏳️‍🌈", "❤️ ☃ ☃️", "a😀b 😀 c", "1️⃣2️⃣", "🧑🏻‍🤝‍🧑🏿!",
    "def f(x):\n    return x*2\n\n\nprint(f(3))  # six\n", "for (int i=0;i<n;++i){a[i]+=b[i];}", "if x != y and a == b or c <= d:", "\t\t\tindented\n\t\tless\n",
    "SELECT * FROM t WHERE a='b' -- c\n", "<div class=\"a\">&nbsp;</div>", "{\"a\": [1, 2.5, null, true], \"b\": {\"c\": \"d\\n\"}}", "a/b\\c|d~e`f^g",
    "https://example.org/a?b=c&d=%20e#f", "user@example.org", "#hashtag @mention", "C:\\Users\\x\\y.txt", "/usr/local/bin:/usr/bin", "rm -rf ./*.{a,b}",
    "...!!!???", "!@#$%^&*()_+-=[]{}|;':\",./<>?", "--- *** === ___", "«quoted» „tief“ “curly” ‘single’ — – …", "¡¿§¶†‡•", "€£¥₹₿ ±×÷≠≤≥∞∑∫√", "→←↑↓⇒⇔",
    "a.b.c", "U.S.A.", "e.g., i.e.", "(parenthesised) [bracketed] {braced}", "//comment\n/* block */", "x\n/y /z\n//", "a\n\nb\n\n\nc\n\n\n\nd",
    "word " * 12, "ab" * 30, "a" * 70, " " * 33 + "x", "\n" * 17 + "x", "=" * 50, "0" * 25, "\t \t \n\t", " \n  \n   \n    x", "x \n", "x\n ", "\n x", "  \n", "\u3000\u3000x",
    "\x00\x01\x02\x1f\x7f\x80\x9f\xa0\xad\xff", "\ufffd\ufffe\uffff", "\U0010ffff\U000e0001\ue000", "▁", "▁▁", "a▁b ▁ c", " ▁a", "<0x41>", "<0x00><0xFF>", "Ġ Ċ Ā ġ", "ĠĊ",
    "<s>", "</s>", "<s>hello</s>", " <s> hello </s> ", "<unk>", "<<s>>", "<s", "s>", "<|begin|>", "<|end|>", "text<|end|>text", "text <|end|> text", "<|end|><|end|>", "<|end|>  <|begin|>",
    "<|e<|end|>", "<|end|", "<|tool|>call<|tool|>", "a<|tool|>b <|tool|> c", "<mask>", "a <mask> b", "a   <mask>   b", "<mask><mask>", " <mask> <mask> ", "\n<mask>\n",
    "<left>", "a   <left>   b", "a\t\n<left> b", "<right>", "a   <right>   b", "a <right> \n b", "<right> <left>", "<left> <right>  <left>x",
    "word", "aword wordb word", "word, word. (word)", "_word_ word1 1word éword wordé word\u0301", "wordword", "WORD Word word", "Yesterday yesterday YESTERDAY",
    "I saw it Yesterday.", "caféLatte CAFÉLATTE cafe\u0301latte", "\n\n\n\n", "a\n\nb", "\t\t\t", "▁▁▁▁", "    ", "   a   ", "<new token>", "a<new token>b", "<new  token>", "ﬁx ﬁx", "fix",
]

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", " \t\n\r", "    ", "\n\n \n", ".,;:!?'\"-_()[]{}<>/\\|@#$%^&*+=~`", "'s't'd'll",
    "äöüßéèêçñøåÄÖÜÉÑ", "абвгдеёжзийклмнАБВГД", "αβγδεζηθΑΒΓ", "漢字仮名交文你好世界", "ひらがなカタカナー", "한국어가나다", "ابتثجحخ", "אבגדה", "नमस्तेक्ष", "กขคงที่",
    "\u0300\u0301\u0308\u0323\u0327\u093f\u064b\u20dd", "😀👍🏽👩\u200d🇩🇪\ufe0f❤", "\u00a0\u2003\u3000\u200b\u2028\u0085\ufeff", "ⅠⅡ①½²٣۴", "ǅʰªºſßİıﬁΩK", "▁Ġ<>|", "、。「」！？，．",
]
INSERTS = ["<s>", "</s>", "<|end|>", "<|tool|>", "<mask>", "<left>", "<right>", "word", "Yesterday", "<new token>", "\n\n", "▁▁", "<0x41>"]


def fuzz(seed: int, n: int) -> list[str]:
    """n random strings: runs of characters from related alphabets, with added tokens between them."""
    rng = random.Random(seed)
    out = []
    for _ in range(n):
        s = ""
        for _ in range(rng.randint(1, 8)):
            kind = rng.random()
            if kind < 0.12:
                s += rng.choice(INSERTS)
            elif kind < 0.2:
                c = rng.choice([rng.randint(1, 0x7F), rng.randint(0x80, 0x7FF), rng.randint(0x800, 0xD7FF), rng.randint(0xE000, 0xFFFF), rng.randint(0x10000, 0x1FFFF)])
                s += chr(c)
            elif kind < 0.35:
                words = CORPUS.split(" ")
                k = rng.randrange(len(words) - 3)
                s += " ".join(words[k : k + rng.randint(1, 3)])
            else:
                a = rng.choice(ALPHABETS)
                s += "".join(rng.choice(a) for _ in range(rng.randint(1, 7)))
        out.append(s)
    return out
