"""One page for each learner: address, key, and how to connect; HTML to be printed."""

from __future__ import annotations

import html
from collections.abc import Iterable
from urllib.parse import urlsplit

from finetune_kit.key_file import Key

_STYLE = """
:root { color-scheme: light; }
body { font: 11pt/1.4 system-ui, sans-serif; color: #111; background: #fff;
  max-width: 42rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 18pt; margin: 0 0 .5rem; }
h2 { font-size: 13pt; margin: 1rem 0 .3rem; }
p, pre { margin: .4rem 0; }
section { break-after: page; border-bottom: 1px dashed #666; padding: 1rem 0 2rem; }
section:last-of-type { break-after: auto; border-bottom: 0; }
code, pre { font: 10pt/1.4 ui-monospace, Consolas, monospace; }
pre { border: 1px solid #666; padding: .6rem .8rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.key { font-size: 16pt; font-weight: 600; }
@media print { body { margin: 0; } section { border: 0; padding: 0; } }
"""


def pages(learners: Iterable[Key], base_url: str) -> str:
    """The HTML of all pages; a printer starts a new sheet for each learner.

    ``base_url`` is the server's, such as ``http://192.168.1.20:8765/v1``.
    """
    parts = [_page(key, html.escape(base_url), _proxy(base_url)) for key in learners]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<title>Hand-outs: a key for each learner</title>\n"
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{''.join(parts)}</body>\n</html>\n"
    )


def _proxy(base_url: str) -> str:
    host = html.escape(urlsplit(base_url).hostname or "")
    return f"Behind a proxy, also set <code>NO_PROXY={host}</code>."


def _page(key: Key, base_url: str, proxy: str) -> str:
    return f"""<section>
<h1>{html.escape(key.name)}: your key for the course</h1>
<p>Your key. It is you on the server of this class: do not lend it.</p>
<pre class="key">{html.escape(key.value)}</pre>
<h2>Before you open the course</h2>
<p>In a terminal, in the project's folder, with your key in the place of
<code>YOUR_KEY</code>. On Linux and macOS:</p>
<pre>export FINETUNE_KIT_TARGET={base_url}
export OPENAI_API_KEY=YOUR_KEY
python3 start.py</pre>
<p>On Windows, in PowerShell:</p>
<pre>$env:FINETUNE_KIT_TARGET = "{base_url}"
$env:OPENAI_API_KEY = "YOUR_KEY"
py start.py</pre>
<p>{proxy}</p>
<h2>In a notebook</h2>
<pre>import finetune_kit as kit

client = kit.connect()</pre>
<p>The card says <em>Connected to {base_url}</em>. If it says <em>the local API on this
computer</em>, the two variables were not set before Jupyter was opened.</p>
<h2>Other programs</h2>
<p><code>curl</code>, Node and Ruby take the address as <code>OPENAI_BASE_URL</code> and
the key as <code>OPENAI_API_KEY</code>.</p>
<h2>What your instructor sees</h2>
<p>Your name, the name of your notebook, when you last called the server and how often,
your jobs with their errors, and why a call was refused. Not your data, and not what you
ask the models. Who runs the server could read its files.</p>
</section>
"""
