/** Lines as people type them in a terminal: done if that is clear, explained if not. Nothing leaves on a guess. */

import { addressOf } from "../../core/lines.js";
import { printableLine } from "../parts/text.js";

/** @import { Chat } from "../../core/chat.js" */
/** @import { Conversation } from "../../core/state.js" */
/** @import { Hint } from "./composer.js" */

/**
 * @typedef {object} Context
 * @property {Chat} chat
 * @property {Conversation} conversation that is open
 * @property {(text: string) => void} say sends a text there, and empties the field
 * @property {() => void} done empties the field
 * @property {(of: string) => void} open
 */

/** The places of the page that do what these commands do in a terminal. */
const ELSEWHERE = /** @type {Record<string, string>} */ ({
  who: "Who is here stands at the side, and in the head of the conversation.",
  names: "The members of a room are listed in its head.",
  whois: "Open a conversation with them: its head says where they are.",
  rooms: "Rooms are listed at the side; its field opens others.",
  list: "Your conversations are listed at the side.",
  search: "The page has a search of its own, at the side.",
  history: "Scroll up: older messages come by themselves.",
  receipts: "Who has seen your newest message stands below it.",
  reply: "Press Enter on a message, or its Reply button.",
  answer: "Press a button of the question, or its digit.",
  close: "A conversation stays at the side; you can leave a room in its head.",
  quiet: "Notifications of a conversation are set in its head.",
  dnd: "Notifications are set at the side.",
  help: "Enter sends, Shift+Enter begins a new line, @ and Tab complete a name.",
  exit: "Close the tab to leave; your messages wait for you.",
});
const ALIASES = /** @type {Record<string, string>} */ ({
  ...{ room: "join", j: "join", part: "leave", query: "to", tell: "msg", dm: "msg", quit: "exit", lastlog: "search" },
});
/** Commands that only the terminal has. */
const TERMINAL = [
  "unread",
  "nick",
  "uninvite",
  "edit",
  "owner",
  "op",
  "disown",
  "deop",
  "kick",
  "ban",
  "unban",
  "mute",
];

/** Lines that were sent as a text once: not asked about again. @type {Set<string>} */
const confirmed = new Set();

/**
 * Do what a line says, or return what to ask; null if it is done.
 *
 * @param {string} line
 * @param {Context} context
 * @returns {Promise<Hint | null>}
 */
export async function runLine(line, context) {
  const { say, chat } = context;
  const asText = /** @type {[string, () => void]} */ (["Send as a text", () => say(line)]);
  const trimmed = line.trim();
  if (/^[/\uff0f]{2}/u.test(trimmed)) {
    say(trimmed.slice(1));
    return null;
  }
  const address = addressOf(line, (name) => chat.state.known(name) !== "");
  if (address !== "") return addressed(line, address, context, asText);
  const [, slash = "", written = "", argument = ""] = /^([/\uff0f]?)(\S*)\s*([^]*)$/u.exec(trimmed) ?? [];
  const word = written.toLowerCase();
  const command = ALIASES[word] ?? word;
  const act = Object.hasOwn(COMMANDS, command) && slash !== "" ? COMMANDS[command] : undefined;
  const lines = argument.includes("\n");
  if (act === undefined || (lines && command !== "me" && command !== "say")) {
    return { sentence: explain(command, `${slash}${written}`, lines && act !== undefined), actions: [asText] };
  }
  try {
    return (await act(argument.trim(), context)) ?? null;
  } catch (error) {
    return { sentence: error instanceof Error ? error.message : String(error), actions: [asText] };
  }
}

/**
 * @param {string} command
 * @param {string} written
 * @param {boolean} lines
 */
function explain(command, written, lines) {
  const shown = printableLine(written.slice(0, 40));
  if (lines) return `Several lines are a text, and "${shown}" is a command: write it alone.`;
  if (Object.hasOwn(ELSEWHERE, command)) return `"${shown}" is a command of the terminal. ${ELSEWHERE[command]}`;
  if (TERMINAL.includes(command)) return `"${shown}" is a command of the terminal: use chatcli join for it.`;
  return `There is no command "${shown}". To send a text that begins with a slash, write it twice.`;
}

/**
 * A line that begins with a name and a colon: for whom is it?
 *
 * @param {string} line
 * @param {string} address
 * @param {Context} context
 * @param {[string, () => void]} asText
 * @returns {Hint | null}
 */
function addressed(line, address, { chat, conversation, say, done }, asText) {
  const to = chat.state.known(address);
  if (to === "")
    return { sentence: '"server:" begins a command of the terminal, and this is the page.', actions: [asText] };
  const key = `${conversation.of} ${to}`;
  if (confirmed.has(key)) {
    say(line);
    return null;
  }
  const here = () => (confirmed.add(key), say(line));
  const rest = line.slice(line.search(/[:\uff1a\ufe55\ufe13]/u) + 1).trim();
  const there = () => {
    chat.say({ to, text: rest });
    chat.emit("notice", { text: `Sent to ${to}.`, failed: false });
    done();
  };
  const place = printableLine(conversation.of);
  if (to === conversation.of) {
    return {
      sentence: `Send it with "${printableLine(address)}:" in front?`,
      actions: [
        ["As written", here],
        ["Without", () => say(rest)],
      ],
    };
  }
  const only = to.startsWith("#") ? `To ${printableLine(to)}` : `To ${printableLine(to)} alone`;
  return {
    sentence: `For whom is this: ${place}, or ${printableLine(to)}?`,
    actions: [
      [`To ${place}, as written`, here],
      [only, there],
    ],
  };
}

/** @type {Record<string, (argument: string, context: Context) => Promise<Hint | null> | Hint | null>} */
const COMMANDS = {
  say: (text, { say }) => (text ? (say(text), null) : usage("/say TEXT")),
  me: (text, { say, chat }) => (text ? (say(`* ${chat.me} ${text}`), null) : usage("/me TEXT")),
  async join(argument, { chat, open }) {
    const [, option = "", room = ""] = /^(--private|--announce)?\s*(#\S+)$/u.exec(argument) ?? [];
    if (room === "") return usage("/join #ROOM");
    open(await chat.join(room, { "--private": "private", "--announce": "announcement" }[option]));
    return null;
  },
  async leave(argument, { chat, conversation }) {
    const room = argument || conversation.of;
    if (!room.startsWith("#")) return usage("/leave #ROOM");
    await chat.part(chat.state.known(room) || room);
    return null;
  },
  async to(argument, { chat, open }) {
    if (!/^\S+$/u.test(argument)) return usage("/to NAME");
    open(await recipient(argument, chat));
    return null;
  },
  async msg(argument, { chat }) {
    const [, name = "", text = ""] = /^(\S+)\s+([^]+)$/u.exec(argument) ?? [];
    if (text === "") return usage("/msg NAME TEXT");
    const to = await recipient(name, chat);
    await chat.request({ t: "check", to });
    chat.say({ to, text });
    chat.emit("notice", { text: `Sent to ${to}.`, failed: false });
    return null;
  },
  async away(text, { chat }) {
    await chat.request({ t: "away", text: text || undefined });
    return null;
  },
  async back(_, { chat }) {
    await chat.request({ t: "away", back: true });
    return null;
  },
  async topic(text, { chat, conversation }) {
    const [, room = conversation.of, topic = ""] = /^(#\S+)?\s*([^]*)$/u.exec(text) ?? [];
    if (!room.startsWith("#") || topic === "") return usage("/topic TEXT");
    await chat.request({ t: "topic", room, text: topic });
    return null;
  },
  async invite(argument, { chat, conversation }) {
    const [, to = "", room = conversation.of] = /^(\S+)(?:\s+(#\S+))?$/u.exec(argument) ?? [];
    if (to === "" || !room.startsWith("#")) return usage("/invite NAME");
    await chat.request({ t: "operate", do: "invite", to: to.replace(/^@/u, ""), room });
    return null;
  },
};

/**
 * @param {string} form
 * @returns {Hint}
 */
function usage(form) {
  return { sentence: `Write "${form}".` };
}

/**
 * Return the name of a room or a person as the server writes it.
 *
 * @param {string} name
 * @param {Chat} chat
 * @returns {Promise<string>}
 */
async function recipient(name, chat) {
  const bare = name.replace(/^@/u, "").replace(/:$/u, "");
  const known = chat.state.known(bare);
  if (known !== "") return known;
  if (bare.startsWith("#")) return (await chat.request({ t: "rooms", room: bare })).rooms[0]?.name ?? bare;
  return (await chat.request({ t: "who", to: bare })).people[0]?.user ?? bare;
}
