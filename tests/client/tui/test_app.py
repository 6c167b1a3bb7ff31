"""The interactive client in a real terminal: keys in, screen out."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from tests.support import Program, ThreadServer, chatcli, eventually, serving, session_of
from tests.terminal import Terminal

README = Path(__file__).parents[3] / "README.md"


def join(server: ThreadServer, user: str = "") -> Terminal:
    """Run ``chatcli join`` in a terminal."""
    name = ["--user", user] if user else []
    return Terminal("join", "--server", str(server.address), *name)


def test_the_session_that_the_readme_shows(server: ThreadServer) -> None:
    """Everything that stands there in text is what the terminal shows, but for the times."""
    shown = re.search(r"```text\n(Here:.*?)```", README.read_text(), re.DOTALL)
    assert shown is not None
    with join(server, "alice") as alice, join(server, "bob") as bob:
        bob.shows("You are bob")
        alice.types("bob: hi, is the build green?\r")
        bob.shows("is the build green?")
        bob.types("alice: all of it\r")
        alice.shows("all of it")
        with Program("ask", "--user", "ci", "--server", str(server.address), "alice", "Deploy to prod?") as asking:
            alice.shows("[1] yes")
            alice.types("/answer yes\r")
            alice.shows('answered "yes"')
            asking.prints("yes")
        screen = "\n".join(alice.lines)
        for line in shown[1].splitlines()[1:]:
            assert re.sub(r"^12:\d\d", "", line) in screen
        assert screen.endswith(shown[1].splitlines()[-1])


def test_a_first_talk(server: ThreadServer) -> None:
    """Alice and Bob join, a message arrives at once, who lists both, exit takes a name from the list."""
    with join(server, "Alice") as alice, join(server, "Bob") as bob:
        alice.shows("You are Alice")
        bob.shows("You are Bob")
        alice.types("Bob:Hi Bob!\r")
        bob.shows("Alice → you  Hi Bob!")
        alice.shows("you → Bob  Hi Bob!")
        bob.types("alice: Hi yourself\r")
        alice.shows("Bob → you  Hi yourself")
        alice.types("who\r")
        eventually(lambda: sum("Here:" in line for line in alice.lines) == 2)
        assert alice.lines[-2] == "Here: Alice (you), Bob"
        bob.types("exit\r")
        assert bob.end() == 0
        alice.shows("Bob left")
        alice.types("server:who\r")
        eventually(lambda: alice.lines[-2] == "Here: Alice (you)")
        alice.types("\x04")
        assert alice.end() == 0


def test_a_flood_leaves_the_half_typed_line(server: ThreadServer) -> None:
    """Through 2,000 messages the input line, its cursor and every key typed meanwhile stay as they are."""
    with join(server, "alice") as alice, join(server, "bob") as bob, server.joined("carol") as carol:
        alice.shows("You are alice")
        bob.shows("You are bob")
        half = "alice: I was about to say that"
        bob.types(half + "\x1b[D" * 4)
        bob.shows_input("› " + half)
        column = bob.cursor_column
        for number in range(1000):
            carol.sends("bob", f"flood {number}")
        bob.shows("flood 999")
        alice.types("bob: can you hear me?\r")
        bob.types("XYZ")
        for number in range(1000, 2000):
            carol.sends("bob", f"flood {number}")
        bob.shows("carol → you  flood 1999")
        bob.shows("alice → you  can you hear me?")
        edited = half[:-4] + "XYZ" + half[-4:]
        bob.shows_input("› " + edited)
        assert bob.cursor_column == column + 3
        assert set(bob.input_lines[bob.input_lines.index("› " + half) :]) <= {
            "› " + f"{half[:-4]}{'XYZ'[:typed]}{half[-4:]}" for typed in range(4)
        }
        floods = [line.rsplit("flood ")[1] for line in bob.lines if "flood " in line]
        assert floods == [str(number) for number in range(2000)]
        bob.types("\x05!\r")
        alice.shows("bob → you  I was about to say XYZthat!")


def test_drawings_are_written_in_one_piece(server: ThreadServer) -> None:
    """Taking the input line away, printing, and drawing it again is one write, so that it cannot flicker."""
    with join(server, "alice") as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        alice.types("half")
        alice.shows_input("› half")
        for number in range(20):
            bob.sends("alice", f"number {number}")
        alice.shows("number 19")
        drawings = bytes(alice.raw).split(b"\x1b[?2026h")[1:]
        printed = [drawing for drawing in drawings if b"number" in drawing]
        assert printed
        for drawing in printed:
            assert b"half" in drawing.split(b"\x1b[?2026l")[0]


def test_names_are_asked_for_until_accepted(server: ThreadServer) -> None:
    """Without a name, or with one that is taken or invalid, the client says why and asks again."""
    with server.joined("alice"), join(server) as terminal:
        terminal.shows("Your name:")
        terminal.types("alice\r")
        terminal.shows("alice is already in the chat")
        terminal.types("a:b\r")
        terminal.shows("cannot contain a colon")
        terminal.types("bob\r")
        terminal.shows("You are bob")
    with server.joined("alice"), join(server, "alice") as terminal:
        terminal.shows("alice is already in the chat")
        terminal.types("\x03")
        assert terminal.end() == 130


def test_escape_sequences_in_a_message(server: ThreadServer) -> None:
    """Other people's text can neither clear the screen nor set its title."""
    with join(server, "alice") as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        bob.sends("alice", "\x1b[2J\x1b]0;owned\x07 \x9b2J end")
        alice.shows("bob → you  ␛[2J␛]0;owned␇ <U+009B>2J end")
        alice.shows("You are alice")
        assert b"\x1b]0;" not in alice.raw


def test_tab_completes_people_and_commands(server: ThreadServer) -> None:
    """The start of a name becomes the start of a message."""
    with server.joined("Roberta"), join(server, "alice") as alice:
        alice.types("who\r")
        alice.shows("Here: alice (you), Roberta")
        alice.types("rob\t")
        alice.shows_input("› Roberta:")
        alice.types("\x03")
        alice.shows_input("›")
        alice.types("/he\t\r")
        alice.shows("send text to a person")


def test_control_c_clears_then_leaves(server: ThreadServer) -> None:
    """A first Ctrl-C throws the line away; on an empty line the next says what one more does, and that one leaves."""
    with join(server, "alice") as alice:
        alice.shows("You are alice")
        alice.types("bob: never mind")
        alice.shows_input("› bob: never mind")
        alice.types("\x03")
        alice.shows_input("›")
        alice.types("\x03")
        alice.shows("Press Ctrl-C again to leave.")
        assert alice.process.poll() is None
        alice.types("\x03\x03")  # two, should the first come too late on a slow machine
        assert alice.end() == 0


def test_a_resized_window(server: ThreadServer) -> None:
    """After the window has become narrow, messages and the input line still stand."""
    with join(server, "alice") as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        alice.types("half a line")
        alice.shows_input("› half a line")
        alice.resize(40, 10)
        bob.sends("alice", "narrow")
        alice.shows("narrow")
        alice.shows_input("› half a line")


def test_wide_characters(server: ThreadServer) -> None:
    """Chinese, Korean and combining characters can be typed and read."""
    with join(server, "alice") as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        alice.types("bob: 你好 한국 e\u0301")
        bob.sends("alice", "こんにちは")
        eventually(lambda: any("こ" in line for line in alice.lines))
        alice.types("\r")
        bob.hears("sent")
        bob.hears("message", text="你好 한국 e\u0301")


def test_a_hang_up_ends_the_client(server: ThreadServer) -> None:
    """When its terminal goes away, the client goes too and its name is free."""
    with server.joined("bob") as bob:
        with join(server, "alice") as alice:
            alice.shows("You are alice")
            alice.process.send_signal(signal.SIGHUP)
            alice.end()
        eventually(lambda: bob.asks_who() == ["bob"])


def test_no_color_is_respected(server: ThreadServer) -> None:
    """With NO_COLOR set, no colour is sent to the terminal."""
    terminal = Terminal("join", "--server", str(server.address), "--user", "alice", NO_COLOR="1")
    with terminal as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        bob.sends("alice", "plain")
        alice.shows("plain")
        numbers = {number for codes in re.findall(rb"\x1b\[([0-9;]*)m", alice.raw) for number in codes.split(b";")}
        assert not numbers & {b"%d" % number for number in (*range(30, 38), *range(90, 98), 38)}


def test_prompts_without_colour(server: ThreadServer) -> None:
    """--color never holds from the first question on."""
    with Terminal("join", "--server", str(server.address), "--color", "never") as alice:
        alice.shows("Your name: ")
        alice.types("server\r")
        alice.shows("reserved")
        numbers = {number for codes in re.findall(rb"\x1b\[([0-9;]*)m", alice.raw) for number in codes.split(b";")}
        assert not numbers & {b"%d" % number for number in (*range(30, 38), *range(90, 98), 38)}


def test_a_byte_that_is_no_text(server: ThreadServer) -> None:
    """A pasted byte of another encoding is not sent, and nothing breaks."""
    with join(server, "alice") as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        alice.types_raw(b"bob: caf\xe9 latin\r")
        alice.shows("Not sent: that is not text in UTF-8.")
        alice.types("bob: fine\r")
        bob.hears("message", text="fine")


def test_who_is_here_is_told_on_joining(server: ThreadServer) -> None:
    """Someone who joins sees at once who they can talk to."""
    with server.joined("bob"), join(server, "alice") as alice:
        alice.shows("Here: alice (you), bob")


def test_tab_completes_people_who_left(server: ThreadServer) -> None:
    """Absent people can be written to as easily as people who are here."""
    with join(server, "alice") as alice, server.joined("Roberta") as roberta:
        alice.shows("You are alice")
        roberta.sends("alice", "bye then")
        alice.shows("bye then")
        roberta.says("bye")
        alice.shows("Roberta left")
        alice.shows_input("Roberta ›")
        alice.types("rob\t")
        alice.shows_input("Roberta › Roberta:")


def test_a_restart_repeats_nothing(tmp_path: Path) -> None:
    """After a reconnect, one's own messages of earlier visits are not printed as if just said."""
    with serving(tmp_path) as (server, address):
        where = ["--server", str(address)]
        chatcli("join", "--user", "bob", *where)
        chatcli("join", "--user", "alice", *where, stdin=b"bob: one\nbob: two\n")
        with Terminal("join", "--user", "alice", *where) as alice:
            alice.shows("Here: alice (you)")
            server.end(signal.SIGKILL)
            alice.shows("Connection lost")
            with Program("serve", "--data", str(tmp_path), "--port", str(address.port)):
                alice.types("bob: three\r")
                alice.shows("Connected again.")
                alice.shows("you → bob  three")
                alice.types("who\r")
                eventually(lambda: sum("Here:" in line for line in alice.lines) == 2)
                # Until the server has it, it stands there as waiting.
                eventually(
                    lambda: [line.split("  ")[1] for line in alice.lines if "you → bob" in line] == ["three"],
                )


def test_taken_over_without_a_connection(server: ThreadServer) -> None:
    """The client says that another one has its place, and ends."""
    with join(server, "alice") as alice:
        alice.shows("Here: alice (you)")
        alice.process.send_signal(signal.SIGSTOP)
        session = session_of(server, "alice")
        server.run(session.abort)
        with server.joined("alice", present="takeover"):
            alice.process.send_signal(signal.SIGCONT)
            assert alice.end() == 4
    assert "and has taken this place: join with --takeover" in " ".join(" ".join(alice.lines).split())


def test_a_request_lost_with_the_connection(tmp_path: Path) -> None:
    """Once the server is there again, the user learns what to ask once more; it was not asked in their name."""
    with serving(tmp_path) as (server, address):
        with Terminal("join", "--user", "alice", "--server", str(address)) as alice:
            alice.shows("Here: alice (you)")
            server.process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, server.process.pid, os.WSTOPPED | os.WNOWAIT)
            alice.types("/search hi")
            alice.shows_input("› /search hi")
            alice.types("\r")
            alice.shows_input("›")
            server.end(signal.SIGKILL)
            alice.shows("Connection lost")
            with Program("serve", "--data", str(tmp_path), "--port", str(address.port)):
                alice.shows("Connected again.")
                alice.shows('No answer came to "/search hi": ask once more.')
                alice.types("/search hi\r")
                alice.shows('Nothing found for "hi"')


def test_the_life_of_a_room(server: ThreadServer) -> None:
    """Bob is invited, enters, answers and is answered; what happens in the room is told in between."""
    with join(server, "alice") as alice, join(server, "bob") as bob:
        bob.shows("You are bob")
        alice.shows("You are alice")
        alice.types("/join --private #plans\r")
        alice.shows("You are in #plans (private, nobody else is in it)")
        alice.types("#p\tshall we?\r")
        alice.shows("#plans  you  shall we?")
        alice.types("/invite bob\r")
        bob.shows("alice invites you to #plans: /join #plans")
        bob.types("/join #plans\r")
        bob.shows("You are in #plans (private, 2 people, owned by alice)")
        alice.shows("bob joined #plans")
        bob.types("/leave\r")
        bob.shows('#plans is private: to leave it, write "/leave #plans".')
        alice.types("#plans: bob?\r")
        bob.shows("#plans  alice  bob?")
        bob.types("/reply here\r")
        alice.shows('#plans  bob  ↳ "bob?"  here')
        bob.types("/away lunch\r")
        alice.shows("bob is away (lunch)")
        alice.types("/who #plans\r")
        alice.shows("In #plans: alice (you), bob (away since")
        bob.types("alice: back in a minute\r")
        alice.shows("bob is back")
        bob.types("/leave #plans\r")
        alice.shows("bob left #plans")
        alice.types("/topic #plans over\r")
        alice.shows("Topic of #plans: over")
        assert not any("shall we?" in line for line in bob.lines)


def test_text_goes_to_the_open_conversation(server: ThreadServer) -> None:
    """After the first message, text goes to the same person, also where it has a colon; another one is a word away."""
    with join(server, "alice") as alice, server.joined("bob") as bob, server.joined("cid") as cid:
        alice.shows("You are alice")
        alice.types("bob: hi\r")
        bob.hears("message", text="hi")
        cid.sends("alice", "psst")
        cid.hears("sent")
        alice.shows("cid → you  psst")
        alice.types("note: https://example.org at 12:30\r")
        alice.shows("Nobody called note is known: Enter once more sends the line to bob as it is")
        alice.shows_input("bob › note: https://example.org at 12:30")
        alice.types("\r")
        bob.hears("message", text="note: https://example.org at 12:30")
        alice.shows("you → bob  note: https://example.org at 12:30")
        alice.types("/to cid\r")
        alice.shows("What you type goes to cid now")
        alice.types("yes?\r")
        cid.hears("message", text="yes?")


def test_what_was_missed_is_counted(server: ThreadServer) -> None:
    """A line in front of it says how much it is; what has come since stands behind it without one."""
    server.joined("alice").hang_up()
    with server.joined("bob") as bob:
        for text in ("one", "two", "three"):
            bob.sends("alice", text)
            bob.hears("sent")
        with join(server, "alice") as alice:
            alice.shows("bob → you  three")
            bob.sends("alice", "four")
            alice.shows("bob → you  four")
            start = next(number for number, line in enumerate(alice.lines) if "while you were away" in line)
            assert "3 messages while you were away" in alice.lines[start]
            said = [line.rpartition(" ")[2] for line in alice.lines[start:] if "bob → you" in line]
            assert said == ["one", "two", "three", "four"]


def test_absent_people_see_it_later(server: ThreadServer) -> None:
    """The one notice says that it waits, the other that it was seen."""
    server.joined("bob").hang_up()
    with join(server, "alice") as alice:
        alice.shows("You are alice")
        alice.types("bob: call me\r")
        alice.shows("bob is not here and gets it on return")
        with server.joined("bob") as bob:
            assert bob.texts(1) == ["call me"]
            alice.shows("bob has seen what you said")


def test_missed_messages_of_a_busy_room(server: ThreadServer) -> None:
    """Of many missed messages the newest hundred come, and a line above them says how to see the others."""
    where = ["--server", str(server.address)]
    chatcli("join", "--user", "alice", *where, "--room", "#ops")
    lines = "".join(f"#ops: line {number}\n" for number in range(1150))
    chatcli("join", "--user", "bob", *where, stdin=lines.encode())
    with join(server, "alice") as alice:
        alice.shows("1,050 earlier in #ops: /history #ops")
        alice.shows("#ops  bob  line 1149")
        assert not any(line.endswith("line 1049") for line in alice.lines)
        alice.types("/history #ops 2\r")
        alice.shows("#ops  bob  line 1048")
