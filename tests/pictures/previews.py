"""Small previews of our own: what is said and in which order, not how a program draws it."""

import html
import re
from collections.abc import Iterable
from typing import Any

from autorecovery.notices.slack import SlackMessage

STYLE = """
:root{color-scheme:light}
body{margin:0;padding:12px;background:#fff;color:#1d1c1d;font:15px/1.45 Arial,sans-serif}
h2{font-size:12px;color:#666;margin:18px 0 6px;border-bottom:1px solid #ddd}
.preview{font-size:12px;color:#8a5a00}
.slack h3{font-size:17px;line-height:1.3;margin:0 0 6px}
.slack p{margin:6px 0;white-space:pre-wrap;overflow-wrap:anywhere}
.fields{display:grid;grid-template-columns:1fr 1fr;gap:6px 14px;margin:6px 0}
.fields div{white-space:pre-wrap;overflow-wrap:anywhere}
.context{font-size:12px;color:#616061;overflow-wrap:anywhere}
code,pre{font:12px Menlo,Consolas,monospace;background:#f6f6f6;border:1px solid #ddd;
border-radius:3px;padding:0 3px;overflow-wrap:anywhere}
pre{padding:6px;white-space:pre-wrap;margin:4px 0}
button{font:bold 13px Arial;padding:6px 10px;margin:4px 6px 4px 0;background:#fff;
border:1px solid #bbb;border-radius:4px}
.primary{background:#007a5a;color:#fff}.danger{background:#e01e5a;color:#fff}
.bubble{background:#eef6e6;border-radius:10px;padding:8px 12px;margin:0 0 8px;
white-space:pre-wrap;overflow-wrap:anywhere}
@media(max-width:480px){.fields{grid-template-columns:1fr}}
"""

# This machine may have no font with emoji: the shapes are drawn as coloured letters.
_SHAPES = {
    "🔵": ("#1d5fa8", "●"),
    "🟢": ("#1a6e3c", "●"),
    "⚠️": ("#c98a00", "▲"),
    "🟧": ("#e07b2b", "■"),
    "♦️": ("#cc2233", "♦"),
}
_MARKUP = (
    (re.compile(r"```(.+?)```", re.DOTALL), r"<pre>\1</pre>"),
    (re.compile(r"`([^`\n]+)`"), r"<code>\1</code>"),
    (re.compile(r"<(https://[^|>]+)\|([^>]+)>"), r'<a href="\1">\2</a>'),
    (re.compile(r"(?<!\w)\*([^*\n]+)\*(?!\w)"), r"<b>\1</b>"),
)


def page(title: str, *parts: tuple[str, str]) -> str:
    """Return a page of previews, each under its name."""
    shown = "".join(f"<h2>{html.escape(name)}</h2>{content}" for name, content in parts)
    return (
        "<!DOCTYPE html><html><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<b>{html.escape(title)}</b> <span class=preview>a preview of our own, not the"
        f" programs' look</span>{shown}</body></html>"
    )


def slack_preview(message: SlackMessage) -> str:
    """Return the blocks about as Slack shows them."""
    return f"<div class=slack>{''.join(_block(block) for block in message.blocks)}</div>"


def _block(block: dict[str, Any]) -> str:
    kind = block["type"]
    if kind == "header":
        return f"<h3>{_coloured(html.escape(block['text']['text']))}</h3>"
    if kind == "actions":
        return f"<div>{''.join(_button(each) for each in block['elements'])}</div>"
    if kind == "context":
        return f"<p class=context>{''.join(_mrkdwn(e['text']) for e in block['elements'])}</p>"
    if "fields" in block:
        fields = "".join(f"<div>{_mrkdwn(each['text'])}</div>" for each in block["fields"])
        return f"<div class=fields>{fields}</div>"
    return f"<p>{_mrkdwn(block['text']['text'])}</p>"


def _button(element: dict[str, Any]) -> str:
    label = html.escape(element["text"]["text"])
    return f'<button class="{element.get("style", "")}">{label}</button>'


def _mrkdwn(text: str) -> str:
    for pattern, markup in _MARKUP:
        text = pattern.sub(markup, text)
    return _coloured(text)


def telegram_preview(messages: Iterable[str]) -> str:
    """Return the messages in bubbles; their HTML is Telegram's own."""
    return "".join(f"<div class=bubble>{_coloured(each)}</div>" for each in messages)


def text_preview(text: str) -> str:
    """Return text as a mail program shows it."""
    return f"<p style='white-space:pre-wrap;overflow-wrap:anywhere'>{html.escape(text)}</p>"


def _coloured(text: str) -> str:
    for emoji, (colour, shape) in _SHAPES.items():
        text = text.replace(emoji, f"<span style='color:{colour}'>{shape}</span>")
    return text
