"""Every effect a preset may name, as data: parameters, safe ranges, and how its sound may be computed.

Ranges are those in which Pedalboard 0.9.26 was measured to give finite, sensible sound; they lie inside its own. A
parameter is required where Pedalboard's default would surprise (Gain adds 1 dB, LowpassFilter cuts at 50 Hz). What is
left out is in `REFUSED`, with the reason. Knows no pedalboard; a test compares this page with the installed one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.domain.stems import complement_name
from bridge.presets.fields import Field, choice, flag, number

__all__ = ["EFFECTS", "LINK", "REFUSED", "SOURCES", "STEMS", "STEP_FIELDS", "EffectSpec"]

SOURCES = ("drums", "bass", "other", "vocals", "guitar", "piano")
STEMS = (*SOURCES, *(complement_name(source) for source in SOURCES), "residual")
"""Names a stem can have; a preset may name any of them, and '*'."""


@dataclass(frozen=True, slots=True)
class EffectSpec:
    """One effect: what it may be given and how it has to be run."""

    description: str
    parameters: Mapping[str, Field] = field(default_factory=dict)
    level_dependent: bool = False
    """Does something else to loud sound than to quiet: give the stem a `reference_lufs`."""
    streams: bool = True
    """Gives the same sound in constant blocks as in one piece; otherwise it needs the whole stem at once."""
    max_channels: int | None = None
    """Most channels one instance may hear; more are run in sets (pairs, or single ones)."""
    sample_rates: tuple[int, ...] = ()
    """The only rates it can run at; empty = all."""
    silence: str | None = None
    """Parameter, in seconds, for which the effect may stay silent before it sounds again."""
    own: bool = False
    """Ours; Pedalboard has no class of this name."""
    added: tuple[str, ...] = ()
    """Parameters that are ours, on a class of Pedalboard's."""


def _hz(description: str, *, default: float, required: bool = True) -> Field:
    return number(10, 20000, "Hz", description, default=default, required=required, below_nyquist=True)


def _ms(low: float, high: float, description: str, default: float, *, notes: bool = False) -> Field:
    return number(low, high, "ms", description, default=default, notes=notes)


def _amount(description: str, default: float, low: float = 0.0, high: float = 1.0) -> Field:
    return number(low, high, "", description, default=default)


def _db(low: float, high: float, description: str, default: float, *, required: bool = True) -> Field:
    return number(low, high, "dB", description, default=default, required=required)


LINK = flag("One gain for all channels, taken from the loudest, so that the stereo image stays where it is.")

STEP_FIELDS: Mapping[str, Field] = {
    "bypass": flag("Leave this step out."),
    "wet": number(0, 1, "", "Share of the effect; the rest is the step's input, aligned to the sample.", default=1.0),
}
"""What any effect may be given beside its own parameters."""

SLOPE = number(
    6,
    48,
    "dB",
    "Per octave: 6 is Pedalboard's own filter; 12, 24 and 48 are Butterworth filters, flat up to the cutoff.",
    default=6.0,
    only=(6, 12, 24, 48),
)

_RESAMPLERS = ("ZeroOrderHold", "Linear", "CatmullRom", "Lagrange", "WindowedSinc")
_SINCS = tuple(f"WindowedSinc{size}" for size in (256, 128, 64, 32, 16, 8))

_SHELF = {
    "cutoff_frequency_hz": _hz("Where the shelf begins.", default=440),
    "gain_db": _db(-24, 24, "Gain of the shelf.", 0),
    "q": number(0.1, 10, "", "Steepness of the shelf.", default=0.7071067690849304),
}

EFFECTS: Mapping[str, EffectSpec] = {
    "Bitcrush": EffectSpec(
        "Fewer bits per sample: grit and noise that follow the level.",
        {"bit_depth": number(2, 32, "bits", "Bits left.", default=8, required=True)},
        level_dependent=True,
    ),
    "BrickwallLimiter": EffectSpec(
        "Look-ahead limiter with a true ceiling; all channels linked, no make-up gain, latency compensated.",
        {
            "ceiling_db": number(-24, 0, "dBFS", "No sample above this.", default=-1.0),
            "release_ms": _ms(1, 2000, "Time to let go.", 100),
            "lookahead_ms": _ms(0.5, 20, "Time to see peaks coming.", 5),
            "true_peak": flag("Also catch peaks between samples (4x oversampled detection, slower)."),
        },
        level_dependent=True,
    ),
    "Chorus": EffectSpec(
        "Slowly wavering copies; with a short centre delay, a flanger.",
        {
            "rate_hz": number(0.01, 20, "Hz", "Speed of the wavering.", default=1.0, notes=True),
            "depth": _amount("Depth of the wavering.", 0.25),
            "centre_delay_ms": _ms(1, 100, "Delay around which it wavers.", 7),
            "feedback": _amount("Share fed back.", 0.0, -0.95, 0.95),
            "mix": _amount("Share of the effect.", 0.5),
        },
    ),
    "Clipping": EffectSpec(
        "Hard clipping at a threshold, without oversampling.",
        {"threshold_db": number(-60, 0, "dBFS", "Where it clips.", default=-6, required=True)},
        level_dependent=True,
    ),
    "Compressor": EffectSpec(
        "Turns down what is above the threshold; no make-up gain (add a Gain).",
        {
            "threshold_db": number(-60, 0, "dBFS", "Where it begins.", default=0, required=True),
            "ratio": number(1, 30, ":1", "How much less comes out than goes in.", default=1, required=True),
            "attack_ms": _ms(0.1, 500, "Time to turn down.", 1),
            "release_ms": _ms(1, 5000, "Time to let go.", 100, notes=True),
            "link": LINK,
        },
        level_dependent=True,
        added=("link",),
    ),
    "DeEsser": EffectSpec(
        "Turns down the treble, all channels alike, where it is sharper than the threshold; else not one bit changes.",
        {
            "frequency_hz": number(2000, 12000, "Hz", "Treble begins here.", default=6000.0, below_nyquist=True),
            "threshold_db": number(-60, 0, "dBFS", "Treble above this is sharp.", default=-30.0, required=True),
            "ratio": number(1, 30, ":1", "How much less comes out than goes in.", default=4.0),
            "range_db": _db(0, 24, "Never turn down by more than this.", 12.0, required=False),
            "attack_ms": _ms(0.1, 100, "Time to turn down.", 1.0),
            "release_ms": _ms(1, 1000, "Time to let go.", 60.0),
        },
        level_dependent=True,
        own=True,
    ),
    "Delay": EffectSpec(
        "Echoes.",
        {
            "delay_seconds": number(0.001, 30, "s", "Time between echoes.", default=0.5, required=True, notes=True),
            "feedback": _amount("Share of each echo that comes again.", 0.0, high=0.98),
            "mix": _amount("Share of the echoes.", 0.5),
        },
        silence="delay_seconds",
    ),
    "Distortion": EffectSpec(
        "Soft saturation tanh(x * drive), without make-down: follow it with a Gain.",
        {"drive_db": _db(-24, 60, "Gain into the curve.", 25)},
        level_dependent=True,
    ),
    "Ducker": EffectSpec(
        "Steps back while another stem sounds. It hears that stem as it is printed, at this stem's reference loudness.",
        {
            "under": choice(STEMS, "The stem that is made room for.", required=True),
            "threshold_db": number(-60, 0, "dBFS", "How loud the other stem has to be.", default=-30.0),
            "depth_db": _db(0, 40, "Never step back by more than this.", 6.0, required=False),
            "ratio": number(1, 30, ":1", "How quickly depth is reached above the threshold.", default=4.0),
            "attack_ms": _ms(0.1, 500, "Time to step back.", 20.0),
            "release_ms": _ms(1, 5000, "Time to come again.", 250.0, notes=True),
        },
        level_dependent=True,
        own=True,
    ),
    "Fade": EffectSpec(
        "Fades in at the start of the render and out at its end; what rings on after the end is silenced.",
        {
            "in_seconds": number(0, 600, "s", "Length of the fade-in.", default=0.0),
            "out_seconds": number(0, 600, "s", "Length of the fade-out; 0 = none.", default=0.0),
            "shape": choice(("cosine", "linear", "sine"), "S-curve, straight line, or equal power.", default="cosine"),
        },
        own=True,
    ),
    "GSMFullRateCompressor": EffectSpec(
        "An old mobile phone: 8 kHz and the GSM codec, each channel by itself.",
        {"quality": choice((*_RESAMPLERS, *_SINCS), "Resampling to and from 8 kHz.", default="WindowedSinc8")},
        level_dependent=True,
        streams=False,
        max_channels=1,
    ),
    "Gain": EffectSpec("Plain gain.", {"gain_db": _db(-80, 24, "Gain.", 1)}),
    "HighShelfFilter": EffectSpec("Raises or lowers everything above a frequency.", _SHELF),
    "HighpassFilter": EffectSpec(
        "Removes what lies below; steeper with slope_db.",
        {"cutoff_frequency_hz": _hz("3 dB down here.", default=50), "slope_db": SLOPE},
        added=("slope_db",),
    ),
    "Invert": EffectSpec("Flips the polarity."),
    "LadderFilter": EffectSpec(
        "The resonant filter of an analogue synthesiser.",
        {
            "mode": choice(
                ("LPF12", "HPF12", "BPF12", "LPF24", "HPF24", "BPF24"),
                "Low-, high- or band-pass, 12 or 24 dB per octave.",
                default="LPF12",
                required=True,
            ),
            "cutoff_hz": _hz("Where it works.", default=200),
            "resonance": _amount("Peak at the cutoff.", 0.0, high=0.98),
            "drive": number(1, 20, "", "Saturation inside the filter.", default=1.0),
        },
        level_dependent=True,
    ),
    "Limiter": EffectSpec(
        "Loudness maximiser: compresses, adds make-up gain, clips at 0 dBFS. For a ceiling: BrickwallLimiter.",
        {
            "threshold_db": number(-30, 0, "dBFS", "Where it begins.", default=-10, required=True),
            "release_ms": _ms(1, 2000, "Time to let go.", 100),
        },
        level_dependent=True,
    ),
    "LowShelfFilter": EffectSpec("Raises or lowers everything below a frequency.", _SHELF),
    "LowpassFilter": EffectSpec(
        "Removes what lies above; steeper with slope_db.",
        {"cutoff_frequency_hz": _hz("3 dB down here.", default=50), "slope_db": SLOPE},
        added=("slope_db",),
    ),
    "MP3Compressor": EffectSpec(
        "The sound of an MP3.",
        {"vbr_quality": number(0, 9.9, "", "0 = best, 9.9 = worst.", default=2, required=True)},
        streams=False,
        max_channels=2,
        sample_rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    ),
    "NoiseGate": EffectSpec(
        "Turns down what is below the threshold.",
        {
            "threshold_db": number(-100, 0, "dBFS", "Where it closes.", default=-100, required=True),
            "ratio": number(1, 50, ":1", "How far it closes.", default=10),
            "attack_ms": _ms(0.1, 200, "Time to open.", 1),
            "release_ms": _ms(1, 5000, "Time to close.", 100, notes=True),
            "link": LINK,
        },
        level_dependent=True,
        added=("link",),
    ),
    "PeakFilter": EffectSpec(
        "Bell equaliser.",
        {
            "cutoff_frequency_hz": _hz("Centre.", default=440),
            "gain_db": _db(-24, 24, "Gain at the centre.", 0),
            "q": number(0.1, 20, "", "Narrowness.", default=0.7071067690849304),
        },
    ),
    "Phaser": EffectSpec(
        "Sweeping notches.",
        {
            "rate_hz": number(0.01, 20, "Hz", "Speed of the sweep.", default=1.0, notes=True),
            "depth": _amount("Width of the sweep.", 0.5),
            "centre_frequency_hz": _hz("Middle of the sweep.", default=1300, required=False),
            "feedback": _amount("Share fed back.", 0.0, -0.95, 0.95),
            "mix": _amount("Share of the effect.", 0.5),
        },
    ),
    "PitchShift": EffectSpec(
        "Another pitch at the same length; needs the whole stem in memory, and moves events by some milliseconds.",
        {"semitones": number(-24, 24, "semitones", "How far.", default=0, required=True)},
        streams=False,
    ),
    "Resample": EffectSpec(
        "Down to another sample rate and back: dullness, or aliasing with a crude quality.",
        {
            "target_sample_rate": number(1000, 192000, "Hz", "Rate in between.", default=8000, required=True),
            "quality": choice((*_RESAMPLERS, *_SINCS), "How it is resampled.", default="WindowedSinc32"),
        },
    ),
    "Reverb": EffectSpec(
        "A room (Freeverb).",
        {
            "room_size": _amount("Size; rings for 1.5 s at 0.2, 2 s at 0.5, 4 s at 0.8, 15 s at 1.", 0.5),
            "damping": _amount("Dullness of the tail.", 0.5),
            "wet_level": _amount("Level of the room.", 0.33),
            "dry_level": _amount("Level of the input; 0.5 is unity.", 0.4),
            "width": _amount("Stereo width of the room.", 1.0),
            "freeze_mode": _amount("From 0.5 on, the room holds what it has and hears nothing new.", 0.0),
        },
        max_channels=2,
    ),
    "StereoWidth": EffectSpec(
        "Raises or lowers the difference of left and right: 0 = mono, 1 = unchanged. The mono sum never changes.",
        {"width": number(0, 2, "", "Factor of the difference.", default=1.0, required=True)},
        max_channels=2,
        own=True,
    ),
}

REFUSED: Mapping[str, str] = {
    "Convolution": "impulse response files are not part of presets yet",
    "Mix": "it loses alignment with latent effects; write 'parallel:' instead",
    "Chain": "a list of steps is a chain already",
    "Pedalboard": "a list of steps is a chain already",
    "VST3Plugin": "write 'plugin: {path: ...}' instead",
    "AudioUnitPlugin": "write 'plugin: {path: ...}' instead",
}
"""Names a preset may not use, and why."""
