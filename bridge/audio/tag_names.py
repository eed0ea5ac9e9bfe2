"""How each container calls a tag: ID3v2 frames, atoms of MP4, RIFF INFO, AIFF text chunks."""

from __future__ import annotations

__all__ = ["AIFF_TEXTS", "ID3_FRAMES", "INFO", "MP4_ATOMS"]

ID3_FRAMES = {
    "TIT2": "TITLE",
    "TPE1": "ARTIST",
    "TALB": "ALBUM",
    "TPE2": "ALBUMARTIST",
    "TCOM": "COMPOSER",
    "TEXT": "LYRICIST",
    "TPE3": "CONDUCTOR",
    "TPE4": "REMIXER",
    "TCON": "GENRE",
    "TDRC": "DATE",
    "TDOR": "ORIGINALDATE",
    "TRCK": "TRACKNUMBER",
    "TPOS": "DISCNUMBER",
    "TBPM": "BPM",
    "TKEY": "INITIALKEY",
    "TCOP": "COPYRIGHT",
    "TPUB": "ORGANIZATION",
    "TIT1": "GROUPING",
    "TIT3": "SUBTITLE",
    "TSST": "DISCSUBTITLE",
    "TLAN": "LANGUAGE",
    "TMOO": "MOOD",
    "TMED": "MEDIA",
    "TCMP": "COMPILATION",
    "TSOP": "ARTISTSORT",
    "TSOA": "ALBUMSORT",
    "TSOC": "COMPOSERSORT",
    "TSO2": "ALBUMARTISTSORT",
}
"""Frames of plain text; COMM is COMMENT, USLT is LYRICS, TXXX names itself."""

MP4_ATOMS = {
    "\xa9nam": "TITLE",
    "\xa9ART": "ARTIST",
    "\xa9alb": "ALBUM",
    "aART": "ALBUMARTIST",
    "\xa9wrt": "COMPOSER",
    "\xa9gen": "GENRE",
    "\xa9day": "DATE",
    "\xa9cmt": "COMMENT",
    "\xa9lyr": "LYRICS",
    "\xa9grp": "GROUPING",
    "cprt": "COPYRIGHT",
    "tmpo": "BPM",
    "soar": "ARTISTSORT",
    "soal": "ALBUMSORT",
    "soco": "COMPOSERSORT",
    "soaa": "ALBUMARTISTSORT",
}
"""`trkn` and `disk` are pairs of numbers; '----:com.apple.iTunes:NAME' names itself."""

INFO = {
    "INAM": "TITLE",
    "IART": "ARTIST",
    "IPRD": "ALBUM",
    "IGNR": "GENRE",
    "ICRD": "DATE",
    "ICMT": "COMMENT",
    "ICOP": "COPYRIGHT",
    "IMUS": "COMPOSER",
    "ILNG": "LANGUAGE",
    "ITRK": "TRACKNUMBER",
}
"""LIST INFO of a WAV file."""

AIFF_TEXTS = {"NAME": "TITLE", "AUTH": "ARTIST", "(c) ": "COPYRIGHT", "ANNO": "COMMENT"}
