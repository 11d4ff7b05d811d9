#!/usr/bin/env python3
"""Check an evidence pack without Optline: python3 -I verify.py [the pack's folder, or the ZIP itself]

Needs Python 3.8 or later and nothing else. Ends with 0 where everything fits, and with 1 and a line for each thing
that does not. What is checked:

  1. every file of the pack has the SHA-256 that SHA256SUMS names, and none is missing;
  2. the chain: each entry's hash is SHA-256 over the bytes "optline-1" and the entry as compact JSON with sorted keys,
     the hash of the entry before it included; entries are numbered without a gap; the last hash is the head. An entry
     of which only the hashes are here is about another line: it is linked, but what it says is not told;
  3. evidence: the digest that an entry names is SHA-256 over a salt of 32 bytes and the evidence as such JSON;
  4. kept files are those that the evidence names;
  5. the events of pack.json say what the entries of the chain and their evidence say, word for word.

Texts and notices that are no evidence of an entry stand in no chain: for them there is what the pack says, and what the
provider's own log says.
"""

import hashlib
import json
import pathlib
import sys
import zipfile

# The parts of evidence that an event quotes as what was said.
QUOTED = ("text", "words", "proof", "page", "prompt", "wording", "disclosure")


class Folder:
    def __init__(self, path):
        self.path = path

    def names(self):
        found = [each for each in self.path.rglob("*") if each.is_file()]
        return {each.relative_to(self.path).as_posix() for each in found}

    def read(self, name):
        return (self.path / name).read_bytes()


class Archive:
    def __init__(self, path):
        self.zip = zipfile.ZipFile(path)

    def names(self):
        return set(self.zip.namelist())

    def read(self, name):
        return self.zip.read(name)


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sums(pack):
    """The files of the pack, each held against its SHA-256."""
    names, listed = pack.names(), {}
    if "SHA256SUMS" not in names:
        yield "SHA256SUMS is missing"
        return
    for line in pack.read("SHA256SUMS").decode().splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    for name, digest in listed.items():
        if name not in names:
            yield f"{name} is missing"
        elif hashlib.sha256(pack.read(name)).hexdigest() != digest:
            yield f"{name} was changed"
    for name in ("pack.json", "chain.json", "timeline.csv", "evidence-pack.pdf", "README.txt", "verify.py"):
        if name not in listed:
            yield f"{name} is not listed in SHA256SUMS"
    for name in sorted(names - set(listed) - {"SHA256SUMS"}):
        print(f"note: {name} is not part of the pack")


def entries(chain):
    """The chain from its first entry to its head."""
    previous = ""
    for number, entry in enumerate(chain["entries"], 1):
        told = entry.get("covered", entry)
        if told["seq"] != number:
            yield f"entry {number} is missing (the next one is {told['seq']})"
            return
        if told["previous_hash"] != previous:
            yield f"entry {number} does not continue the one before it"
        if "covered" in entry:
            if told["contact__uuid"] != chain["contact"]:
                yield f"entry {number} is about another contact"
            if hashlib.sha256(b"optline-1" + canonical(told)).hexdigest() != entry["hash"]:
                yield f"entry {number} was changed"
        previous = entry["hash"]
    if (previous, len(chain["entries"])) != (chain["head"], chain["length"]):
        yield "the last entry is not the head of the chain"


def evidence(chain):
    """Evidence against the digests, and digests against the evidence."""
    told = [entry["covered"] for entry in chain["entries"] if "covered" in entry]
    named = {entry["evidence_digest"] for entry in told} - {""}
    erased = {entry["evidence_digest"] for entry in told if entry["kind"] == "evidence_erased"}
    here = set()
    for each in chain["evidence"]:
        here.add(each["digest"])
        digest = hashlib.sha256(bytes.fromhex(each["salt"]) + canonical(each["data"])).hexdigest()
        if digest != each["digest"] or digest not in named:
            yield f"the evidence {each['digest'][:12]} was changed"
    for digest in sorted(named - here - erased):
        yield f"the evidence {digest[:12]} is missing"


def files(pack, chain):
    """Kept files against the evidence that names them."""
    named = {}
    for each in chain["evidence"]:
        file = each["data"].get("file")
        if isinstance(file, dict):
            named[file.get("uuid")] = file.get("sha256")
    for each in chain["files"]:
        if each["uuid"] not in named:
            yield f"the file {each['name']} is named by no evidence"
        elif not each["path"]:
            print(f"note: {each['name']} is not in the pack: {each['problem']}")
        elif hashlib.sha256(pack.read(each["path"])).hexdigest() != named[each["uuid"]]:
            yield f"{each['path']} is not the file that the evidence names"


def events(pack, chain):
    """What pack.json tells people against the chain."""
    told = json.loads(pack.read("pack.json"))
    known = {entry["hash"]: entry["covered"] for entry in chain["entries"] if "covered" in entry}
    if told["contact"]["uuid"] != chain["contact"]:
        yield "pack.json is about another contact"
    shown = {each["digest"]: each["data"] for each in chain["evidence"]}
    seen = set()
    for event in told["events"]:
        if event["kind"] != "entry":
            continue
        entry = known.get(event["hash"])
        seen.add(event["hash"])
        same = ("seq", "occurred_at", "recorded_at", "status_from", "status_to", "rule")
        if entry is None or event["entry"] != entry["kind"] or any(event[name] != entry[name] for name in same):
            yield f"an event of pack.json is not what the chain says: {event['hash'][:12]}"
            continue
        data = shown.get(entry["evidence_digest"], {})
        said = "\n".join(str(data[key]) for key in QUOTED if data.get(key))
        if (event["evidence"], event["evidence_data"], event["words"]) != (entry["evidence_digest"], data, said):
            yield f"an event of pack.json is not what its evidence says: {event['hash'][:12]}"
    for digest in sorted(set(known) - seen):
        yield f"the entry {digest[:12]} is not among the events of pack.json"


def problems(path):
    pack = Archive(path) if path.is_file() else Folder(path)
    yield from sums(pack)
    chain = json.loads(pack.read("chain.json"))
    for check in (entries(chain), evidence(chain), files(pack, chain), events(pack, chain)):
        yield from check
    hidden = sum("covered" not in entry for entry in chain["entries"])
    print(f"contact {chain['contact']}: {chain['length']} entries, {hidden} of them about other lines")
    print(f"head of the chain: {chain['head'] or 'none'}")


def main():
    path = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__)
    path = path.parent if path.name == "verify.py" else path
    broken = 0
    try:
        for problem in problems(path):
            broken += 1
            print(f"BROKEN: {problem}")
    except Exception as error:  # whatever can't be read was changed
        broken += 1
        print(f"BROKEN: the pack can't be read: {type(error).__name__}: {error}")
    print("The pack is broken." if broken else "Everything fits.")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
