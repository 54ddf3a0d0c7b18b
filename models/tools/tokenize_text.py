# SPDX-License-Identifier: Apache-2.0
"""Token ids of a text, for tokenizers whose text rules the command does not have.

    tokenize_text.py MODEL_DIR < text > ids
    verbatim verify MODEL_DIR --tokens @ids

The command encodes byte-level BPE without pre-tokeniser regexes, normalisers and templates itself, and
refuses other tokenizers instead of guessing. This helper hands those to the `tokenizers` library (pinned in
requirements.txt): any MODEL_DIR/tokenizer.json that it reads. Needs no model weights, no network.
"""

import argparse
import sys
from pathlib import Path


def fail(message: str) -> None:
    print(f"tokenize_text.py: {message}", file=sys.stderr)
    sys.exit(2)


def main() -> None:
    arguments = argparse.ArgumentParser(description="Token ids of the text on standard input, one a line.")
    arguments.add_argument("model", type=Path, metavar="MODEL_DIR", help="folder with tokenizer.json, or that file")
    arguments.add_argument(
        "--no-special", action="store_true", help="leave out what a post-processor adds (such as a first <s>)"
    )
    options = arguments.parse_args()
    try:
        from tokenizers import Tokenizer
    except ImportError:
        fail("needs the tokenizers library: see models/tools/requirements.txt")
    path = options.model / "tokenizer.json" if options.model.is_dir() else options.model
    if not path.is_file():
        fail(f"{path}: no such file")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        fail(f"{path}: {error}")
    # A prompt is wanted whole: a stored limit would cut it, padding would add tokens to it.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        fail(f"the text is not UTF-8: {error}")
    ids = tokenizer.encode(text, add_special_tokens=not options.no_special).ids
    if not ids:
        fail("the text has no tokens")
    sys.stdout.write("".join(f"{i}\n" for i in ids))


if __name__ == "__main__":
    main()
