"""The page of a session: hostile text stays text, clips play, files lie where the page looks for them."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bot.sandbox import posting
from bot.sandbox.interactions import acknowledge, begin
from bot.sandbox.markdown import Markdown, relative
from bot.sandbox.records import ChannelType, InteractionType, Json
from bot.sandbox.transcript import write_transcript
from tests.sandbox.rig import JOB_NONCE, QUIET, Scene

HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(2)> [x](javascript:alert(3)) <@1> ||<b>||'


class Elements(HTMLParser):
    """Every element of a page with its attributes; a page that is not closed properly shows in `open`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def session(scene: Scene, prompt: str) -> Path:
    """A command with references, its public status, a thread with the clip, and a private refusal."""
    client, world = scene.client, scene.world
    command = {"id": "5", "type": 1, "name": "generate", "options": []}
    options: list[Json] = [{"type": 3, "name": "prompt"}]
    options += [{"type": 11, "name": name} for name in ("image1", "video1", "audio1", "notes")]
    world.stored.commands[None] = [command | {"options": options}]
    shown = client.slash(
        scene.channel.id,
        "generate",
        options={"prompt": prompt},
        files={
            "image1": scene.file("cat.jpg"),
            "video1": scene.file("drift.mp4"),
            "audio1": scene.file("mood.mp3"),
            "notes": scene.file("notes.txt"),
        },
    )
    acknowledge(world, shown.id, shown.token, {"type": 4, "data": {"content": prompt, **QUIET}}, ())
    status = world.messages(scene.channel.id)[-1]
    thread = posting.open_thread(
        world, scene.channel, {"name": prompt[:100]}, starter=status, kind=ChannelType.PUBLIC_THREAD
    )
    for step in ("clip", "film"):
        body = {"nonce": JOB_NONCE.replace("clip", step), "attachments": [{"id": 0, "description": prompt}], **QUIET}
        body |= {
            "components": [
                {"type": 1, "components": [{"type": 2, "style": 1, "label": prompt[:80], "custom_id": "go"}]}
            ]
        }
        posting.post_as_bot(world, thread.id, body, [scene.upload("fox.mp4")])
    clicked = client.click(world.messages(thread.id)[0], "go")
    acknowledge(world, clicked.id, clicked.token, {"type": 4, "data": {"content": "No.", "flags": 64, **QUIET}}, ())
    return write_transcript(world, scene.folder / "out")


async def test_hostile_text_stays_text(scene: Scene) -> None:
    html = session(scene, HOSTILE).read_text()
    page = Elements(html)
    names = {name for name, _ in page.found}
    assert page.open == []
    assert "script" not in names
    assert not [attributes for _, attributes in page.found if any(key.startswith("on") for key in attributes)]
    links = [attributes.get("href") or attributes.get("src") or "" for _, attributes in page.found]
    assert not [link for link in links if link.startswith("javascript:")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


async def test_the_page_loads_nothing_from_elsewhere(scene: Scene) -> None:
    place = session(scene, "a fox https://example.com")
    loaded = [attributes["src"] or "" for _, attributes in Elements(place.read_text()).found if "src" in attributes]
    assert len(loaded) == 5
    for link in loaded:
        assert (place.parent / link.partition("#")[0]).is_file()
    assert not re.search(r"url\(|@import|<link", place.read_text())


async def test_clips_play_and_lie_beside_the_page(scene: Scene) -> None:
    place = session(scene, "a fox")
    elements = Elements(place.read_text()).found
    videos = [attributes for name, attributes in elements if name == "video"]
    assert all("controls" in attributes for attributes in videos)
    assert [attributes["aria-label"] for attributes in videos] == ["video1: drift.mp4", "a fox", "a fox"]
    clips = sorted(path.name for path in place.parent.glob("*.mp4"))
    assert len(clips) == 2
    assert "fox.mp4" in clips
    assert sorted(path.suffix for path in (place.parent / "assets").iterdir()) == [".jpg", ".mp3", ".mp4", ".txt"]


async def test_commands_buttons_and_private_answers_are_shown(scene: Scene) -> None:
    html = session(scene, "a fox").read_text()
    assert '<span class="command">/generate</span>' in html
    assert 'clicked <span class="command">a fox</span>' in html
    assert "Only you can see this" in html
    assert f'href="#c{scene.world.threads(scene.channel.id)[0].id}"' in html


async def test_embeds_layouts_replies_and_thinking_are_drawn(scene: Scene) -> None:
    world = scene.world
    said = scene.client.say(scene.channel.id, "hello")
    scene.client.say(scene.channel.id, "again", reply_to=said)
    embed = {"title": "<b>", "color": 255, "fields": [{"name": "n", "value": "v"}], "footer": {"text": "f"}}
    posting.post_as_bot(world, scene.channel.id, {"embeds": [embed]}, ())
    text = {"type": 10, "content": "# Title"}
    layout = [
        {"type": 17, "accent_color": 255, "components": [text, {"type": 14}]},
        {
            "type": 9,
            "components": [text],
            "accessory": {"type": 2, "style": 5, "label": "Open", "url": "https://e.org"},
        },
        {"type": 12, "items": [{"media": {"url": "attachment://fox.mp4"}}]},
        {"type": 1, "components": [{"type": 3, "custom_id": "s", "options": [{"label": "a", "value": "a"}]}]},
    ]
    body = {"flags": 1 << 15, "components": layout, "nonce": JOB_NONCE, "attachments": [{"id": 0}], **QUIET}
    posting.post_as_bot(world, scene.channel.id, body, [scene.upload("fox.mp4")])
    waiting = begin(world, scene.ada, scene.channel.id, InteractionType.COMMAND, {"name": "menu", "type": 3})
    acknowledge(world, waiting.id, waiting.token, {"type": 5}, ())
    html = write_transcript(world, scene.folder / "out").read_text()
    assert Elements(html).open == []
    for part in ('class="embed"', 'class="container"', 'class="section"', 'class="gallery"', 'class="select"'):
        assert part in html
    assert "is thinking" in html
    assert f'href="#m{said.id}"' in html


async def test_a_report_shows_its_picture_once_and_its_table_as_a_file(scene: Scene) -> None:
    def posted(step: str, embeds: list[Json]) -> None:
        files = [scene.upload("report.png"), replace(scene.upload("spending.csv"), index=1)]
        nonce = JOB_NONCE.replace("clip", step)
        body = {"nonce": nonce, "embeds": embeds, "attachments": [{"id": 0}, {"id": 1}], **QUIET}
        posting.post_as_bot(scene.world, scene.channel.id, body, files)

    posted("film", [])
    posted("draw", [{"title": "Spending", "image": {"url": "attachment://report.png"}}])
    html = write_transcript(scene.world, scene.folder / "out").read_text()
    found = Elements(html).found
    assert [attributes["alt"] for name, attributes in found if name == "img"] == ["report.png"] * 2
    assert html.count('<div class="file">') == 2
    assert html.count("spending.csv</a><small>0.1 KiB</small>") == 2
    drawn = html[html.index('class="embed"') :]
    assert "report.png" in drawn


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**a** *b* __c__ ~~d~~ _e_", "<p><strong>a</strong> <em>b</em> <u>c</u> <s>d</s> <em>e</em></p>"),
        ("**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>"),
        ("`<b>` snake_case_name 2 * 3 * 4", "<p><code>&lt;b&gt;</code> snake_case_name 2 * 3 * 4</p>"),
        ("-# small\n> said\n- item\n## Head", None),
        ("```py\n<b>\n```", "<pre>&lt;b&gt;</pre>"),
        (r"\*not\* \<@1>", "<p>*not* &lt;@1&gt;</p>"),
        ("@everyone", '<p><span class="mention">@everyone</span></p>'),
        ("<@999999999999999999>", '<p><span class="mention">@unknown-user</span></p>'),
        ("[x](https://e.org)", '<p><a href="https://e.org" rel="noreferrer noopener">x</a></p>'),
        (
            "https://e.org/?a=1&b=2.",
            '<p><a href="https://e.org/?a=1&amp;b=2" rel="noreferrer noopener">https://e.org/?a=1&amp;b=2</a>.</p>',
        ),
    ],
)
def test_markdown(scene: Scene, text: str, html: str | None) -> None:
    drawn = Markdown(world=scene.world).html(text)
    assert Elements(drawn).open == []
    if html is not None:
        assert drawn == html


def test_mentions_links_and_times_are_named(scene: Scene) -> None:
    draw = Markdown(world=scene.world).html
    now = scene.clock.now_ms() // 1000
    assert "@Ada" in draw(f"<@{scene.ada.id}>")
    assert "@Editors" in draw(f"<@&{scene.ada.role_ids[0]}>")
    assert f'href="#c{scene.channel.id}"' in draw(f"<#{scene.channel.id}>")
    message = scene.client.say(scene.channel.id, "hello")
    jump = f"https://discord.com/channels/{scene.guild.id}/{scene.channel.id}/{message.id}"
    assert f'href="#m{message.id}"' in draw(jump)
    assert ">in 2 minutes</time>" in draw(f"<t:{now + 125}:R>")
    assert relative(-3600) == "1 hour ago"
    assert relative(0) == "now"


def test_nesting_has_a_bottom(scene: Scene) -> None:
    text = "*" * 400 + "a" + "*" * 400
    assert Elements(Markdown(world=scene.world).html(text)).open == []
