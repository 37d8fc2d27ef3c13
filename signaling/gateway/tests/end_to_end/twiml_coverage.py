# Every element and attribute that the Python SDK's TwiML builder can write, compared with
# signaling/contract/coverage.tsv (its path is the argument). Prints what that file lacks.
import inspect
import re
import sys
import xml.etree.ElementTree as ElementTree

from twilio.twiml.voice_response import VoiceResponse

SKIPPED = {'append', 'nest', 'to_xml', 'xml'}
SSML = {'break', 'emphasis', 'lang', 'p', 'phoneme', 'prosody', 's', 'say-as', 'sub', 'w'}


def children(parent):
    """Each child that `parent` can make, with every attribute set."""
    for name, method in inspect.getmembers(type(parent), inspect.isfunction):
        is_own = method.__qualname__.startswith(type(parent).__name__ + '.')
        if name.startswith('_') or name in SKIPPED or not is_own:
            continue
        names = [n for n, p in inspect.signature(method).parameters.items()
                 if n != 'self' and p.kind != p.VAR_KEYWORD]
        yield method(parent, **{n: 'x' for n in names})


def walk(parent, path, found):
    for child in children(parent):
        tag = child.name
        if tag in SSML and not path.endswith('<Say>'):
            continue  # SSML nests in itself; once is enough
        below = f'{path}<{tag}>'
        attributes = ElementTree.fromstring(child.to_xml(xml_declaration=False)).attrib
        found.setdefault(below, set()).update(a.split('}')[-1] for a in attributes)
        if tag not in SSML and path.count('<') < 5:
            walk(child, below, found)


found = {}
walk(VoiceResponse(), '', found)
if len(sys.argv) < 2:
    for path in sorted(found):
        print(path, ' '.join(sorted(found[path])), sep='\t')
    sys.exit()
known = {}
for line in open(sys.argv[1], encoding='utf-8'):
    if line.startswith('<'):
        place, names = line.split('\t')[:2]
        # A tag may carry the values that its state is about.
        place = re.sub(r' [^>]*', '', place)
        known.setdefault(place, set()).update(names.split())
for path, attributes in sorted(found.items()):
    parts = [part + '>' for part in path.split('>')[:-1]]
    whole = any('*' in known.get(''.join(parts[:n]), ()) for n in range(1, len(parts) + 1))
    if whole or parts[0] == '<Gather>' and len(parts) > 1 or parts[:2] == ['<Pay>', '<Prompt>']:
        continue  # not built as a whole, or the verbs of another element
    if path not in known:
        print(path)
    for attribute in sorted(attributes - known.get(path, set())):
        print(path, attribute)
