"""How much each channel takes: every number in one place, with where it comes from.

Lengths are UTF-16 units, the widest way anybody counts: an emoji is two. Numbers under "ours" are
not asked for by anybody; they share out what a channel takes, so that nothing crowds out the rest.
"""

# SNS. Publish: a subject of fewer than 100 ASCII characters; 256 KiB for all bodies together.
SNS_SUBJECT = 99
SNS_BYTES = 256 * 1024

# Text, ours. A character takes up to 4 bytes in each of the four bodies of an SNS message; a notice
# of nothing but the widest characters, as long as all of these together, stays below SNS_BYTES.
TEXT_LINES = 16
TEXT_LINE = 500
TEXT_EVIDENCE = 5
TEXT_FACTS = 8
TEXT_FACT_NAME = 40
TEXT_FACT = 200
TEXT_STEPS = 5
TEXT_STEP = 200
TEXT_LINKS = 4
TEXT_LINK = 600
TEXT_NAME = 300

# Slack. Block Kit's reference: 50 blocks a message; header 150; section 3,000, or 10 fields of
# 2,000; button text 75, value 2,000; confirmation title 100, text 300; block_id 255; context 10
# elements. The message as a whole: about 13,000, found by trying and in no document.
SLACK_BLOCKS = 50
SLACK_HEADER = 150
SLACK_SECTION = 3000
SLACK_FIELDS = 10
SLACK_FIELD = 2000
SLACK_VALUE = 2000
SLACK_CONFIRM_TITLE = 100
SLACK_CONFIRM = 300
SLACK_TEXT = 4000
SLACK_TOTAL = 13_000

# Slack, ours: what is read on a phone, and together far from SLACK_TOTAL.
SLACK_FACTS = SLACK_FIELDS
SLACK_FACT_NAME = 60
SLACK_FACT = 240
SLACK_STEPS = 1800
SLACK_LINES = 2900
SLACK_LOG = 2400
SLACK_LINK = 600
SLACK_LINKS = 4
SLACK_SMALL = 400

# Telegram. sendMessage: 1 to 4096 characters after entities are parsed; counted before, with the
# tags, it can only be less.
TELEGRAM_MESSAGE = 4096

# Telegram, ours: messages of one notice, one line, and the note which part of several this is.
TELEGRAM_MESSAGES = 4
TELEGRAM_LINE = 700
TELEGRAM_PART = 120

# Mail. Gmail clips what is longer than 102 KB; the subject is ours: phones show 40 characters.
MAIL_BYTES = 102_400
MAIL_SUBJECT = 140
MAIL_FACTS = 10
