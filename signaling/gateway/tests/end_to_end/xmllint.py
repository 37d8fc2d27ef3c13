"""`xmllint --format -`, as far as the recorded tests of the Twimlets use it: not every machine has libxml2's programs."""

import sys
import xml.dom.minidom
from xml.sax.saxutils import escape


def show(node, depth):
    blanks = "  " * depth
    attributes = "".join(
        f' {name}="{escape(value, {chr(34): "&quot;"})}"' for name, value in node.attributes.items()
    )
    children = [child for child in node.childNodes if child.nodeType == child.ELEMENT_NODE]
    text = "".join(child.data for child in node.childNodes if child.nodeType == child.TEXT_NODE)
    if children:
        print(f"{blanks}<{node.tagName}{attributes}>")
        for child in children:
            show(child, depth + 1)
        print(f"{blanks}</{node.tagName}>")
    elif text:
        print(f"{blanks}<{node.tagName}{attributes}>{escape(text)}</{node.tagName}>")
    else:
        print(f"{blanks}<{node.tagName}{attributes}/>")


source = sys.stdin.buffer.read()
document = xml.dom.minidom.parseString(source)
encoding = f' encoding="{document.encoding}"' if document.encoding else ""
print(f'<?xml version="1.0"{encoding}?>')
show(document.documentElement, 0)
