/**
 * Prepares a password as PostgreSQL does before SCRAM (RFC 4013): spaces and invisible characters mapped, NFKC, and the
 * password as it is where the result would hold a prohibited character. Without the tables of Unicode 3.2 unassigned
 * characters are those unassigned today, and the rule on mixed writing directions is left out: a password for which
 * that matters fails to log in, it never logs in as something else.
 */
export function saslprep(password: string): string {
  if (/^[\x20-\x7e]*$/u.test(password)) return password;
  const mapped = password.replaceAll(NON_ASCII_SPACE, ' ').replaceAll(MAPPED_TO_NOTHING, '');
  const prepared = mapped.normalize('NFKC');
  return prepared === '' || PROHIBITED.test(prepared) ? password : prepared;
}

/** RFC 3454 table C.1.2. */
const NON_ASCII_SPACE = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;
/** RFC 3454 table B.1; U+200B is a space before it is nothing. */
const MAPPED_TO_NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu;
/** RFC 3454 tables C.1.2 and C.2.1 to C.9, and table A.1 by today's Unicode. */
const PROHIBITED =
  /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\p{Cc}\u06dd\u070f\u180e\u200c-\u200f\u2028-\u202e\u2060-\u2063\u206a-\u206f\ufeff\ufff9-\uffff\u{1d173}-\u{1d17a}\p{Co}\p{Cs}\p{Cn}\u2ff0-\u2ffb\u{e0001}\u{e0020}-\u{e007f}]|\u0340|\u0341/u;
