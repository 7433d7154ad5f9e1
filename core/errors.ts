/**
 * The root of every error this project throws on purpose. Callers switch on `code`, which is a literal per subclass;
 * `message` is for people and never carries a secret, another principal's data or an expected signature.
 * A plain `Error` is a bug and ends the session it happens in.
 */
export abstract class SallyportError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}
