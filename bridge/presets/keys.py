"""Which keys a preset may have outside its effects, and what may stand behind each: what loader and schema go by."""

from __future__ import annotations

from bridge.presets.fields import choice, flag, number, string

__all__ = ["BUS_FIELDS", "FX", "OUTPUT_FIELDS", "PARTS", "PATTERN", "PRESET_FIELDS", "SEND_FIELDS", "STEM_FIELDS"]
__all__ += ["TAG", "TRACK"]

_WORD = r"[^\x00-\x1f\x7f]{1,100}"
FX = string(_WORD, "Name of an effect in REAPER, such as ReaComp.")
TRACK = string(_WORD, "Name of a MIDI track, or a pattern such as Keys*.")
PATTERN = string(_WORD, "Name of a track, or a pattern such as DRUM*.")

PRESET_FIELDS = {
    "version": number(1, 1, "", "Version of this format: 1.", required=True),
    "name": string(r"[\s\S]+", "The name of the file, without its ending."),
    "extends": string(r"[\s\S]+", "A preset to begin from, by name or by the path of its file."),
    "description": string(r"[\s\S]{0,1000}", "What the preset does, for people.", default=""),
    "layout": choice(
        ("sends", "folders"), "Stems reach their bus by sends, or as children of a folder track.", default="sends"
    ),
}
PARTS = ("variables", "tags", "stems", "buses", "sends", "instruments", "output")
TAG = string(r"[a-z0-9][a-z0-9-]{0,30}", "A lower-case word to find the preset by.")
STEM_FIELDS = {
    "reference_lufs": number(
        -50,
        0,
        "LUFS",
        "The chain hears the stem at this loudness: thresholds and ceilings count there. Restored after.",
    ),
    "tail": number(0, 60, "s", "How long the chain may ring on after the end.", default="auto", words=("auto",)),
    "gain_db": number(-80, 24, "dB", "Session fader; never printed.", default=0),
    "pan": number(-1, 1, "", "Session pan, -1 left to 1 right; never printed.", default=0),
    "mute": flag("Session mute; never printed."),
    "bus": string(_WORD, "A bus declared under 'buses'; without one, the master."),
    "target_lufs": number(
        -50, 0, "LUFS", "Loudness of the printed stem, whatever it was before; 'dry' = what it was.", words=("dry",)
    ),
    "target_peak_db": number(-50, 0, "dBFS", "Highest sample of the printed stem, whatever it was before."),
}
BUS_FIELDS = {
    "color": string(r"#[0-9a-fA-F]{6}", 'Colour of the track, as "#rrggbb" in quotes.'),
    "gain_db": number(-80, 24, "dB", "Fader of the bus.", default=0),
    "pan": number(-1, 1, "", "Pan of the bus, -1 left to 1 right.", default=0),
    "parent": string(_WORD, "The bus that this one feeds; without one, the master."),
    "print": flag("Deliver the submix as a file, through the bus's chain."),
    "reference_lufs": number(-50, 0, "LUFS", "The chain hears the submix at this loudness. Restored after."),
}
SEND_FIELDS = {
    "from": string(_WORD, "The bus that sends.", required=True),
    "to": string(_WORD, "The bus that receives; it needs reaper_fx or a chain.", required=True),
    "level_db": number(-80, 24, "dB", "Level of the send.", default=0),
    "pan": number(-1, 1, "", "Pan of the send, -1 left to 1 right.", default=0),
    "pre_fader": flag("Taken before the fader of the bus that sends."),
}
OUTPUT_FIELDS = {
    "format": choice(("wav", "flac", "aiff"), "File format.", default="wav"),
    "subtype": choice(("FLOAT", "PCM_24", "PCM_16", "source"), "Sample format.", default="FLOAT"),
    "dry": flag("Deliver the dry stem too where a chain prints.", default=True),
}
