"""The recipe of a text GAN: validated objects, no torch. The unions over `kind` are the registries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from multigan.settings import (
    Data,
    GameRecipe,
    LearningRate,
    Loss,
    Network,
    NonSaturating,
    Optimizer,
    Settings,
    Weight,
)
from multigan.text.notations import compiled
from multigan.vocabulary import LARGEST

LONGEST = 4096
"""Symbols of a text."""
BYTES, MUCH = 12, 500_000_000
"""Of a completed symbol (its number, and the value that it is drawn by), and of those that are worth a note."""

# --- data -----------------------------------------------------------------------------------------------------------


class Characters(Settings):
    """Every character (Unicode code point) is a symbol; beyond `size`, the rarest are unknown."""

    kind: Literal["characters"]
    size: int = Field(5000, ge=2, le=LARGEST)


class Words(Settings):
    """What lies between white space is a symbol; beyond `size`, the rarest are unknown."""

    kind: Literal["words"]
    size: int = Field(10_000, ge=2, le=LARGEST)


class Bpe(Settings):
    """Byte-pair encoding (Sennrich et al., 2016): frequent pairs are merged until there are `size` symbols."""

    kind: Literal["bpe"]
    size: int = Field(2000, ge=2, le=LARGEST)


class Symbols(Settings):
    """Symbols of several characters, longest first: a regular expression's matches, or a notation by name."""

    kind: Literal["symbols"]
    pattern: str = "smiles"
    """`smiles`, `abc`, or a regular expression whose matches are the symbols; what lies between is one a character."""
    size: int = Field(5000, ge=2, le=LARGEST)

    @model_validator(mode="after")
    def _finds(self) -> Symbols:
        compiled(self.pattern)
        return self


Tokens = Annotated[Characters | Words | Bpe | Symbols, Field(discriminator="kind")]


class OracleData(Settings):
    """SeqGAN's oracle (Yu et al., 2017) in place of texts: an LSTM with random weights, whose symbols are numbers."""

    seed: int = Field(0, ge=0, lt=2**63)
    texts: int = Field(10_000, ge=100, le=1_000_000)
    weights: str | None = None
    """An .npz file of the paper's arrays; absent: weights from N(0, 1) by the seed."""


class TextData(Data):
    """Which texts, and how they become numbers `[T]`.

    Values that are absent are chosen from the data when the training starts, and are written into the run's recipe.
    """

    unit: Literal["line", "paragraph", "file"] = "line"
    """What one text is in a .txt file: a line; what empty lines set apart; the whole file."""
    text_column: str | None = None
    """Of a table, .csv or .jsonl: the column that holds the texts. Absent: the likeliest."""
    tokens: Tokens = Characters(kind="characters")
    lowercase: bool = False
    length: int | None = Field(None, ge=1, le=LONGEST)
    """Symbols of the longest text, its end included."""
    long: Literal["drop", "cut"] = "drop"
    """What becomes of longer texts."""
    end: bool = True
    """Texts end with a symbol of their own. false: all have `length` symbols, and what is shorter is left out."""
    held_out: float = Field(0.1, ge=0, le=0.5)
    """The share of the texts that no network is shown: what the evaluation measures likelihood on."""
    vocabulary: list[str] | None = Field(None, min_length=2, max_length=LARGEST)
    """The symbols by number, the end and the unknown first where there are any."""
    merges: list[str] | None = Field(None, max_length=LARGEST)
    """Of bpe: the pairs in the order in which they are merged, the two parts set apart by a tab."""
    oracle: OracleData | None = None
    """Texts are its samples, and `--data` is left away."""

    @model_validator(mode="after")
    def _told(self) -> TextData:
        if self.number_column is not None:
            raise ValueError("number_column: a generator of text is told classes alone: leave it away")
        if self.streaming:
            raise ValueError("streaming: texts are held in memory: leave it away")
        if self.oracle is not None:
            if self.source is not None:
                raise ValueError("oracle: its samples are the texts: leave --data (data.source) or data.oracle away")
            if self.end or not isinstance(self.tokens, Words):
                raise ValueError("oracle: its texts are of one length and of words: set end to false, tokens to words")
        return self


# --- networks -------------------------------------------------------------------------------------------------------


class Lstm(Network):
    """One layer of LSTM between an embedding and a softmax: SeqGAN's generator (Yu et al., 2017) with 32 and 32."""

    kind: Literal["lstm"]
    embedding: int = Field(32, ge=1, le=4096)
    hidden: int = Field(32, ge=1, le=4096)
    deviation: float | None = Field(None, gt=0, le=10)
    """All weights begin normal with it (SeqGAN: 0.1); absent: each layer by its width."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Of the hidden state before the softmax, while likelihood is trained."""


class Transformer(Network):
    """A causal transformer (Vaswani et al., 2017), normalised before each part, with learned positions."""

    kind: Literal["transformer"]
    width: int = Field(128, ge=4, le=4096)
    layers: int = Field(2, ge=1, le=48)
    heads: int = Field(4, ge=1, le=64)
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _divided(self) -> Transformer:
        if self.width % self.heads:
            nearby = max(self.heads, round(self.width / self.heads) * self.heads)
            raise ValueError(f"width: {self.width} is no multiple of {self.heads} heads (nearest: {nearby})")
        return self


class Cnn(Network):
    """SeqGAN's discriminator: convolutions of several widths, the largest value of each over the text, a highway layer,
    dropout, one logit (Kim, 2014; Srivastava et al., 2015). Widths beyond the text's length are left out."""

    kind: Literal["cnn"]
    embedding: int = Field(64, ge=1, le=1024)
    widths: list[Annotated[int, Field(ge=1, le=256)]] = Field([2, 3, 4, 5], min_length=1, max_length=32)
    filters: list[Annotated[int, Field(ge=1, le=4096)]] = Field([100, 100, 100, 100], min_length=1, max_length=32)
    dropout: float = Field(0.25, ge=0, lt=1)
    """The share that is dropped: SeqGAN's keep-probability of 0.75 is 0.25."""
    decay: float = Field(0.0, ge=0, le=10)
    """Half the output layer's squared weights count so much in the loss. SeqGAN's 0.2 on two outputs is 0.1 on their
    difference, which is what the one logit is."""

    @model_validator(mode="after")
    def _pairs(self) -> Cnn:
        if len(self.widths) != len(self.filters):
            raise ValueError(f"filters: {len(self.filters)} numbers for {len(self.widths)} widths: give one for each")
        if len(set(self.widths)) < len(self.widths):
            raise ValueError("widths: one is there twice: add up their filters")
        return self


class Recurrent(Network):
    """An LSTM that judges each symbol by those before it, as ScratchGAN's (de Masson d'Autume et al., 2019): dense
    rewards. Each symbol's verdict counts the same, and what lies behind a text's end counts nothing."""

    kind: Literal["recurrent"]
    embedding: int = Field(64, ge=1, le=1024)
    hidden: int = Field(128, ge=1, le=4096)
    dropout: float = Field(0.0, ge=0, lt=1)
    decay: float = Field(0.0, ge=0, le=10)


TextGenerator = Annotated[Lstm | Transformer, Field(discriminator="kind")]
TextDiscriminator = Annotated[Cnn | Recurrent, Field(discriminator="kind")]

# --- objectives -----------------------------------------------------------------------------------------------------


class Policy(Settings):
    """What the objectives by policy gradient (Williams, 1992) have in common."""

    baseline: Literal["none", "mean"] = "none"
    """Taken from the rewards: mean, of each position over the batch."""
    normalize: bool = False
    """Rewards less the baseline are divided by their standard deviation."""
    entropy: Weight = 0.0
    """So much of the entropy of each symbol's distribution is added to the rewards' mean."""


class Rollouts(Policy):
    """SeqGAN (Yu et al., 2017): the reward of a symbol is the discriminator's mean over texts that begin with it, which
    a lagged copy of the generator has completed."""

    kind: Literal["rollouts"]
    rollouts: int = Field(16, ge=1, le=256)
    lag: float = Field(0.8, ge=0, lt=1)
    """The share of itself that the copy keeps at each generator step."""


class Dense(Policy):
    """ScratchGAN (de Masson d'Autume et al., 2019): the reward of a symbol is 2 D - 1 of a discriminator that judges
    each symbol, and what follows it counts with `discount`. Wants a discriminator of kind recurrent."""

    kind: Literal["dense"]
    discount: float = Field(0.23, ge=0, le=1)


class Gumbel(Settings):
    """RelGAN (Nie et al., 2019): symbols by the Gumbel-softmax (Jang et al., 2017), through which the discriminator's
    gradient flows."""

    kind: Literal["gumbel"]
    inverse_temperature: float = Field(100.0, ge=1, le=10_000)
    """From 1 to this over the game, exponentially."""


class LikelihoodOnly(Settings):
    """No game: maximum likelihood alone."""

    kind: Literal["likelihood"]


TextObjective = Annotated[Rollouts | Dense | Gumbel | LikelihoodOnly, Field(discriminator="kind")]


class Likelihood(Settings):
    """Maximum likelihood before the game, and of the baseline all through it."""

    samples: int = Field(0, ge=0)
    """Real texts shown before the game begins. Not of the objective likelihood, which has the whole training."""
    optimizer: Optimizer = Optimizer(lr=1e-2, betas=(0.9, 0.999))
    weight: Weight = 0.0
    """So much of the likelihood's loss is added to the generator's in the game."""
    baseline: bool = True
    """A copy of the generator, as it is when the game begins, goes on by likelihood on the same texts: what the game
    has to beat."""
    baseline_lr: LearningRate | None = None
    """Absent: the optimizer's, annealed to a tenth."""


class Evaluation(Settings):
    """Measured every `training.evaluate_every` samples."""

    samples: int = Field(1000, ge=64, le=100_000)


class TextRecipe(GameRecipe):
    """Everything that one training of a text generator is made of."""

    modality: Literal["text"]
    data: TextData = TextData()
    generator: TextGenerator
    discriminator: TextDiscriminator = Cnn(kind="cnn")
    loss: Loss = NonSaturating(kind="non_saturating")
    objective: TextObjective
    likelihood: Likelihood = Likelihood()
    warmup: int = Field(0, ge=0)
    """Real texts on which the discriminator is trained alone, between likelihood and game."""
    evaluation: Evaluation = Evaluation()

    @property
    def game_starts(self) -> int:
        """Samples after which the generator plays."""
        return self.likelihood.samples + self.warmup

    def has_played(self, samples: int) -> bool:
        """Whether, after so many samples, there has been a turn of the game, and so a baseline."""
        return samples >= self.game_starts + self.training.batch

    def notes(self) -> list[str]:
        notes, objective, length = super().notes(), self.objective, self.data.length or 0
        if isinstance(objective, Policy) and self.training.accumulate > 1:
            for key in ("baseline", "normalize"):
                if getattr(objective, key) not in ("none", False):
                    notes.append(
                        f"objective.{key}: with training.accumulate it is of each part, not of the whole batch."
                    )
        if isinstance(objective, Rollouts):
            completed = self.training.batch * objective.rollouts * (length - 1)
            if (held := completed * length * BYTES) > MUCH:
                notes.append(
                    f"objective.rollouts: a step of the generator completes {completed:,} texts of {length:,} symbols, "
                    f"{held / 1e9:.1f} GB of them: if that is too slow or too much, lower it, data.length or "
                    "training.batch, or take objective dense with a discriminator of kind recurrent."
                )
        return notes

    @model_validator(mode="after")
    def _fits(self) -> TextRecipe:
        objective, network = self.objective, self.discriminator
        if self.training.compile:
            raise ValueError(
                "training.compile: texts are drawn symbol by symbol, which compiling does not make faster: set it to "
                "false"
            )
        if isinstance(objective, LikelihoodOnly):
            return self
        if isinstance(objective, Dense) and not isinstance(network, Recurrent):
            raise ValueError(
                f"objective: dense asks for a verdict on each symbol, and a discriminator of kind {network.kind} gives "
                "one on the text: set discriminator.kind to recurrent"
            )
        if self.loss.kind == "wasserstein":
            raise ValueError(
                "loss: wasserstein needs a gradient penalty, and symbols have no gradient: choose another loss"
            )
        if isinstance(objective, Policy) and self.loss.kind != "non_saturating":
            raise ValueError(
                f"loss: {self.loss.kind} gives no probability to reward with: objective {objective.kind} takes "
                "non_saturating"
            )
        turn = self.training.batch * self.training.discriminator_steps
        if self.game_starts + turn > self.training.samples:
            raise ValueError(
                f"training.samples: {self.training.samples} leave nothing for the game, which begins after "
                f"{self.game_starts} (likelihood.samples {self.likelihood.samples} + warmup {self.warmup}) and has "
                f"turns of {turn} (batch * discriminator_steps): raise it, or lower these"
            )
        return self
