/** What of the WebAssembly JavaScript interface is used here: it is part of the libraries of browsers only. */
declare namespace WebAssembly {
  interface Module {}
  interface Instance {
    readonly exports: unknown;
  }
  const Module: new (bytes: Uint8Array<ArrayBuffer>) => Module;
  const Instance: new (compiled: Module) => Instance;
}
