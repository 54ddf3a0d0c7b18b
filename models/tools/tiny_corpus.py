# SPDX-License-Identifier: Apache-2.0
"""Public-domain text and the byte-level BPE tokeniser of the tiny checkpoints.

The text comes from three Debian packages, so that anybody with a Debian mirror gets the same bytes
(checked by SHA-256): six Austen novels (r-cran-janeaustenr), The Devil's Dictionary (dict-devil) and
the Jargon File 4.4.7 (dict-jargon).
"""

import gzip
import hashlib
import json
import subprocess
import zlib
from pathlib import Path

import numpy as np

PACKAGES = ["r-cran-janeaustenr", "dict-devil", "dict-jargon"]
HELD_OUT_FRACTION = 0.05
VOCAB = 512

# Typographic quotes and dashes cost three bytes each and would eat merges of a 512-token vocabulary.
ASCII = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": "--", "–": "-", "…": "...", "─": "-"})


def _r_character_vectors(rdb: bytes):
    """Yields each serialised R character vector of a lazy-load file as one text, a line an element.

    The file is a sequence of [4-byte big-endian length][zlib stream]; a stream holds an R "XDR"
    serialisation: header, then STRSXP, count, and per element flags, length, bytes.
    """
    at = 0
    while at < len(rdb):
        inflater = zlib.decompressobj()
        raw = inflater.decompress(rdb[at + 4 :])
        if len(raw) != int.from_bytes(rdb[at : at + 4], "big"):
            raise ValueError(f"lazy-load block at {at} has a wrong length")
        at = len(rdb) - len(inflater.unused_data)
        encoding_length = int.from_bytes(raw[14:18], "big")
        p = 18 + encoding_length
        if raw[:2] != b"X\n" or raw[p + 3] != 16:
            raise ValueError("not an R character vector")
        count = int.from_bytes(raw[p + 4 : p + 8], "big")
        p += 8
        lines = []
        for _ in range(count):
            n = int.from_bytes(raw[p + 4 : p + 8], "big")
            lines.append(raw[p + 8 : p + 8 + n])
            p += 8 + n
        yield b"\n".join(lines).decode("utf-8") + "\n"


def _between(text: str, start: str, end: str) -> str:
    a, b = text.index(start), text.rindex(end)
    return text[a:b].rstrip() + "\n"


def documents(work: Path) -> dict[str, str]:
    """Name -> text of every document; downloads and unpacks the packages into `work` when missing."""
    root = work / "root"
    rdb = root / "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
    if not rdb.exists():
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=work, check=True)
        for deb in sorted(work.glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(deb), str(root)], check=True)
    docs = {}
    for text in _r_character_vectors(rdb.read_bytes()):
        title = text.lstrip().splitlines()[0].title().replace(" ", "_")
        docs[f"austen/{title}"] = text
    dictionaries = root / "usr/share/dictd"
    devil = gzip.decompress((dictionaries / "devil.dict.dz").read_bytes()).decode("utf-8")
    docs["devils_dictionary"] = _between(devil, "PREFACE\n", "\n abcdefghij")
    jargon = gzip.decompress((dictionaries / "jargon.dict.dz").read_bytes()).decode("utf-8")
    docs["jargon_file"] = _between(jargon, "/dev/null\n", "\n !$&'()*+")
    # \xa0 and the like stay as they are: bytes are never out of vocabulary.
    return {name: text.translate(ASCII) for name, text in docs.items()}


def corpus_sha256(docs: dict[str, str]) -> str:
    digest = hashlib.sha256()
    for name, text in docs.items():
        digest.update(name.encode() + b"\0" + text.encode() + b"\0")
    return digest.hexdigest()


def split(text: str) -> tuple[str, str]:
    """Training part and held-out part (the last 5 %, from the next line start)."""
    cut = text.index("\n", int(len(text) * (1 - HELD_OUT_FRACTION))) + 1
    return text[:cut], text[cut:]


def heldout_sample(docs: dict[str, str], size: int) -> str:
    """The committed sample: from every document's held-out part its proportional share, whole lines."""
    parts = [split(text)[1] for text in docs.values()]
    share = min(1.0, size / sum(len(p) for p in parts))
    return "".join(p[: p.rindex("\n", 0, int(len(p) * share)) + 1] for p in parts)


# ---------------------------------------------------------------------------------------------------
# Tokeniser. Merges may cross spaces (no pre-tokenisation regex), so a document is one long word. The
# library is quadratic-ish there; applying one merge after the other over an array gives the same
# result, because a merge can only create pairs of a later rank.


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-in for each byte value, as the HF ByteLevel pre-tokeniser uses."""
    keep = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table, extra = [""] * 256, 0
    for b in range(256):
        if b in keep:
            table[b] = chr(b)
        else:
            table[b] = chr(256 + extra)
            extra += 1
    return table


def _merge(ids: np.ndarray, a: int, b: int, new: int) -> np.ndarray:
    hit = np.flatnonzero((ids[:-1] == a) & (ids[1:] == b))
    if a == b and hit.size:
        # Overlaps (aaa): leftmost first, so every second hit of a run counts.
        start = np.concatenate(([True], np.diff(hit) != 1))
        run_start = np.maximum.accumulate(np.where(start, np.arange(hit.size), 0))
        hit = hit[(np.arange(hit.size) - run_start) % 2 == 0]
    out = ids.copy()
    out[hit] = new
    return np.delete(out, hit + 1)


def train_merges(texts: list[str]) -> list[tuple[int, int]]:
    """Most frequent pair first, ties by smaller ids; ids 0..255 are the byte values."""
    # 0x7fff marks a document end, so that no pair spans two documents.
    stop = np.array([0x7FFF], dtype=np.int32)
    ids = np.concatenate([np.concatenate((np.frombuffer(t.encode(), np.uint8).astype(np.int32), stop)) for t in texts])
    strings = {bytes([b]) for b in range(256)}
    spelled = [bytes([b]) for b in range(256)]
    merges: list[tuple[int, int]] = []
    while 256 + len(merges) < VOCAB:
        a, b = ids[:-1], ids[1:]
        inside = (a != 0x7FFF) & (b != 0x7FFF)
        counts = np.bincount(a[inside] * VOCAB + b[inside], minlength=VOCAB * VOCAB)
        while True:
            best = int(np.argmax(counts))
            x, y = divmod(best, VOCAB)
            if spelled[x] + spelled[y] not in strings:
                break
            counts[best] = 0  # a second way to spell an existing token: tokenizer.json cannot hold it
        spelled.append(spelled[x] + spelled[y])
        strings.add(spelled[-1])
        ids = _merge(ids, x, y, 256 + len(merges))
        merges.append((x, y))
    return merges


def encode(text: str, merges: list[tuple[int, int]]) -> np.ndarray:
    ids = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
    for rank, (a, b) in enumerate(merges):
        ids = _merge(ids, a, b, 256 + rank)
    return ids


def write_tokenizer(folder: Path, merges: list[tuple[int, int]]) -> None:
    alphabet = byte_alphabet()
    names = list(alphabet)
    for a, b in merges:
        names.append(names[a] + names[b])
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {name: i for i, name in enumerate(names)},
            "merges": [[names[a], names[b]] for a, b in merges],
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, "model_max_length": 2048}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def read_merges(folder: Path) -> list[tuple[int, int]]:
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    return [(model["vocab"][a], model["vocab"][b]) for a, b in model["merges"]]
