/** The frames of the protocol, as far as the page uses them: docs/protocol.md describes them all. */

/**
 * @typedef {object} Message
 * @property {"message"} t
 * @property {number} seq
 * @property {string} id
 * @property {string} from
 * @property {string} to
 * @property {string} text
 * @property {number} at milliseconds since 1970, by the server's clock
 * @property {number} [re] `seq` of the message that this one answers
 * @property {string[]} [choices] makes it a question
 * @property {number} [until] when a question ends
 * @property {number} [answer] number of the choice, or -1
 */

/**
 * @typedef {object} Person
 * @property {string} user
 * @property {number} since
 * @property {"here" | "away" | "gone"} [state] here if missing
 * @property {string} [text] away message
 * @property {number} [idle] since when nobody has touched any client
 */

/**
 * @typedef {object} RoomInfo
 * @property {string} name
 * @property {"open" | "private" | "announcement"} kind
 * @property {number} members
 * @property {string} [topic]
 * @property {string[]} [owners]
 * @property {boolean} [joined]
 * @property {boolean} [invited]
 * @property {Message} [last] its text may be cut
 */

/**
 * @typedef {object} Receipt
 * @property {string} user
 * @property {number} seq
 * @property {string} [to]
 * @property {number} [since]
 * @property {number} [received]
 */

/**
 * @typedef {object} ConversationInfo
 * @property {string} of
 * @property {Message} [last]
 * @property {number} [unread]
 * @property {number} [mentions]
 * @property {number} [read]
 */

/**
 * @typedef {object} NameChange
 * @property {string} user
 * @property {"key" | "recovered" | "released" | "taken"} what
 * @property {number} at
 * @property {number} seq
 * @property {string} [by]
 */

/**
 * @typedef {object} Happened
 * @property {string} room
 * @property {string} what
 * @property {string} [user]
 * @property {string} [by]
 * @property {string} [text]
 */

/**
 * @typedef {object} Welcome
 * @property {string} user
 * @property {number} head
 * @property {number} cursor
 * @property {string} server
 * @property {{text: number, frame: number, silence: number}} limits
 * @property {string[]} rooms
 * @property {string[]} invited
 * @property {number} revision
 * @property {string} epoch
 * @property {number} shared
 * @property {number} read
 * @property {{of: string, seq: number}[]} reads
 */

/**
 * A frame of the server. Its fields depend on `t`; they are typed where they are used.
 *
 * @typedef {{t: string, n?: number} & Record<string, any>} Frame
 */

/** The largest `seq`: a feed after it begins with what comes next. */
export const LAST_SEQ = Number.MAX_SAFE_INTEGER;
/** Messages in one page of history. */
export const PAGE = 100;
/** A count that means "this many, or more". */
export const MANY = 1000;

/** A request that the server has refused. */
export class Refused extends Error {
  /**
   * @param {string} code a word that stays the same
   * @param {string} text a sentence for people
   * @param {string[]} names names that are meant perhaps, or free
   */
  constructor(code, text, names = []) {
    super(text);
    this.code = code;
    this.names = names;
  }
}

/** A request whose answer was lost with the connection. */
export class Disconnected extends Error {
  constructor() {
    super("The connection was lost before the server answered.");
  }
}

/**
 * Return whether a conversation is a room.
 *
 * @param {string} of
 */
export function isRoom(of) {
  return of.startsWith("#");
}
