// The validator ships without types; this is what the suites use of it.
declare module 'asl-validator' {
  type Validation = { readonly isValid: boolean; readonly errorsText: (separator?: string) => string };
  export default function validate(
    definition: unknown,
    options?: { readonly checkPaths?: boolean; readonly checkArn?: boolean },
  ): Validation;
}
