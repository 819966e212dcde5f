"""Word lists and value makers of the starter model's training data.

Training values and evaluation values never overlap: a value whose CRC-32 is divisible by eight is held out (see `held_out`), and the lists
named EVAL_* are used by the evaluation only.
"""

import random
import zlib

COLOURS = "red blue green yellow purple orange black white pink brown grey silver gold violet".split()
ANIMALS = "cat dog horse parrot turtle rabbit hamster goldfish lizard ferret pony owl fox goat duck mouse bear wolf".split()
FOODS = "bread soup rice pasta cheese apples plums honey cake salad noodles pears beans fish curry pie".split()
NUMBERS = ("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
           "nineteen twenty").split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
FRUITS = "apple pear plum cherry banana grape lemon melon peach fig".split()
RELATIVES = "brother sister mother father friend teacher neighbour boss cousin uncle aunt colleague daughter son doctor partner".split()
THINGS = ("key book lamp map bag box phone letter ticket coat hat ring cup chair camera ladder bicycle boat car tent umbrella radio "
          "wallet basket hammer rope mirror clock pen notebook report laptop server printer cable engine bottle piano guitar").split()
PLACES = ("kitchen garden hall attic cellar garage office drawer cupboard library shed station market harbour school tower barn studio "
          "workshop hotel").split()
FAVOURITES = "colour food animal city band book film song game sport drink fruit flower season word team street place dish tree".split()

# Nouns that a code-like or a name-like value can belong to: "My {noun} is {value}."
CODE_NOUNS = ("code word,code word,code word,code,password,secret word,pass phrase,PIN,secret,token,key,call sign,badge number,room number,"
              "order number,ticket number,locker number,serial number,account number,door code,access code,lucky number,number,flag,version,"
              "session id,user id,postcode,phone number,licence plate,project code,magic word,safe word,keyword,code name,seat").split(",")
NAME_NOUNS = ("nickname,project name,team name,surname,user name,pen name,street,home town,village,country,ship,company,school,hotel,"
              "favourite city,favourite band,favourite book,favourite place,destination,planet,river,hero,agent name,file name,title").split(",")

NAMES = ("Anna Ben Carla David Emma Felix Grace Henry Ida Jonas Klara Liam Maria Noah Olivia Peter Quinn Rosa Simon Tina Ulrich Vera Walter "
         "Xenia Yusuf Zoe Alice Bob Carol Dan Erin Frank Gina Hugo Irene Jack Kate Leo Mona Nina Oscar Paula Ralph Sara Tom Uma Victor Wendy "
         "Amir Bella Chen Dora Elias Fatima George Hana Ivan Julia Karim Laura Marco Nora Omar Petra Raj Sofia Theo Viktor").split()
CITIES = ("Berlin Paris London Madrid Rome Vienna Prague Oslo Dublin Athens Cairo Tokyo Delhi Lima Boston Chicago Denver Sydney Toronto "
          "Hamburg Munich Lyon Porto Milan Geneva Warsaw Krakow Riga Helsinki Bergen Leeds York Dover Nairobi Seoul Hanoi Quito").split()
CODE_WORDS = ("falcon tiger river mountain thunder copper anchor meadow winter shadow crystal harbor rocket pepper marble lantern willow storm "
              "ember canyon forest comet raven silver island desert maple orchid breeze cobra castle dragon glacier hammer jungle kettle "
              "lemon magnet needle ocean pirate quartz ribbon saddle temple velvet wagon yonder arrow bridge candle dagger").split()

# Never seen in training, not even as parts of other values.
EVAL_NAMES = ("Beatrix Cornelius Delphine Ezekiel Florentin Gwendolyn Hortensia Ignatius Jacinta Kasimir Leopold Mathilda Nikolaus Ottilie "
              "Percival Rosalind Sebastian Thaddeus Ursula Valentin Wilhelmina Yolanda Zachary Bartholomew Clementine Dmitri Esmeralda").split()
EVAL_CITIES = ("Reykjavik Marrakesh Valparaiso Samarkand Bratislava Gothenburg Ljubljana Montevideo Casablanca Yokohama Edinburgh Salzburg "
               "Barcelona Istanbul Jakarta Melbourne Winnipeg Tbilisi Zanzibar Vladivostok").split()
EVAL_WORDS = ("zebra pineapple nebula walrus cinnamon bamboo turquoise hurricane saffron obsidian mandolin penguin tapestry zeppelin cactus "
              "bluebird octopus marigold sapphire trombone dolphin gingko paprika juniper aubergine").split()

_ONSETS = "b c d f g h j k l m n p r s t v w z br ch cr dr fl gr kl pl sh sk sl st th tr qu y x gl bl pr sp".split()
_VOWELS = "a e i o u a e i o u ai ea oo ou ie y au".split()
_CODAS = ["", "", "", "n", "r", "s", "l", "m", "x", "k", "th", "nd", "rt", "ck"]
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ALNUM = _ALPHABET + "0123456789"


def held_out(value: str) -> bool:
    """Tells whether a generated value is reserved for the evaluation."""
    return zlib.crc32(value.lower().encode()) % 8 == 0


def pseudo_word(r: random.Random) -> str:
    syllables = r.choice([1, 2, 2, 2, 3, 3, 4])
    return "".join(r.choice(_ONSETS) + r.choice(_VOWELS) for _ in range(syllables)) + r.choice(_CODAS)


def digits(r: random.Random) -> str:
    return "".join(r.choice("0123456789") for _ in range(r.choice([2, 3, 3, 4, 4, 5, 6])))


def alnum(r: random.Random) -> str:
    """A mixed code such as K7QX2."""
    return "".join(r.choice(_ALNUM) for _ in range(r.randint(3, 7)))


def letters(r: random.Random) -> str:
    """Letters without any pattern; the least word-like value there is."""
    s = "".join(r.choice(_ALPHABET) for _ in range(r.randint(3, 8)))
    return s if r.random() < 0.4 else s.lower()


class Values:
    """Draws values of one split: `Values(r, False)` for training, `Values(r, True)` for the evaluation."""

    def __init__(self, r: random.Random, held: bool):
        self.r, self.held = r, held
        self.names = EVAL_NAMES if held else NAMES
        self.cities = EVAL_CITIES if held else CITIES
        self.words = EVAL_WORDS if held else CODE_WORDS

    def _split(self, make):
        while True:
            v = make(self.r)
            if held_out(v) == self.held:
                return v

    def pseudo(self) -> str:
        return self._split(pseudo_word)

    def word(self) -> str:
        """A lower-case word: mostly a pseudo-word, sometimes an English one."""
        return self.r.choice(self.words) if self.r.random() < 0.2 else self.pseudo()

    def number(self) -> str:
        return self._split(digits)

    def mixed(self) -> str:
        return self._split(alnum)

    def hyphenated(self) -> str:
        """ZEBRA-42, Zebra-42, zebra-42 or blue-falcon-17."""
        r, w = self.r, self.word()
        k = r.random()
        if k < 0.3:
            w = w.upper()
        elif k < 0.45:
            w = w.capitalize()
        elif k < 0.8:
            w = r.choice([r.choice(COLOURS), self.word()]) + "-" + w
        return w + "-" + (self._split(digits) if r.random() < 0.5 else str(r.randint(1, 99)))

    def name(self) -> str:
        return self.r.choice(self.names) if self.r.random() < 0.25 else self.pseudo().capitalize()

    def place(self) -> str:
        k = self.r.random()
        if k < 0.25:
            return self.r.choice(self.cities)
        return self.pseudo().capitalize() if k < 0.85 else self.r.choice(["New", "Port", "North", "Lake", "Saint"]) + " " + self.pseudo().capitalize()

    def code(self) -> str:
        """A value of any code-like kind."""
        r = self.r
        k = r.random()
        if k < 0.22:
            return self.word()
        if k < 0.36:
            return self.number()
        if k < 0.52:
            return self.mixed()
        if k < 0.76:
            return self.hyphenated()
        if k < 0.84:
            return self.word().upper()
        if k < 0.90:
            return self._split(letters)
        if k < 0.95:
            return self.word() + " " + self.word()
        return self.word() + r.choice(["_", ".", "/", ""]) + self.number()

    def colour(self) -> str:
        return self.r.choice(COLOURS) if not self.held and self.r.random() < 0.7 else self.pseudo()

    def thing(self) -> str:
        """A value for "My favourite X is ...": a common word or an unknown one."""
        r = self.r
        if not self.held and r.random() < 0.4:
            return r.choice(r.choice([COLOURS, ANIMALS, FOODS, FRUITS, THINGS]))
        return self.word()
