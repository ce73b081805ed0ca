/** Errors in the shape of OpenAI's API: `{"error": {"message", "type", "param", "code"}}`. They name no file and no line of ours. */
import { InputError, InputErrors } from '@selective-dpo/foundation';

export class ApiError extends Error {
  override readonly name = 'ApiError';

  /**
   * @param status of HTTP.
   * @param param the field of the request that is to blame.
   */
  constructor(
    readonly status: number,
    message: string,
    readonly code: string | null = null,
    readonly param: string | null = null,
  ) {
    super(message);
  }

  get body(): object {
    const type = this.status < 500 ? 'invalid_request_error' : 'server_error';
    return { error: { message: this.message, type, param: this.param, code: this.code } };
  }
}

/** Codes of InputErrors that the request is to blame for, and OpenAI's name of each. */
const OF_THE_REQUEST: Record<string, string> = {
  'prompt-too-long': 'context_length_exceeded',
  'text-too-long': 'context_length_exceeded',
  'empty-prompt': 'invalid_value',
  'conversation-unreadable': 'invalid_value',
  'decoding-option': 'invalid_value',
};

/** What a client is told of a failure: whatever is not its own fault is an internal error without details. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const [problem] = error instanceof InputErrors ? error.problems : [error];
  if (problem instanceof InputError && Object.hasOwn(OF_THE_REQUEST, problem.code)) {
    const { found, expected } = problem.details;
    const parts = [
      problem.message,
      found === undefined ? '' : `found ${found}`,
      expected === undefined ? '' : `expected ${expected}`,
    ];
    return new ApiError(400, parts.filter((part) => part !== '').join('; '), OF_THE_REQUEST[problem.code]);
  }
  return new ApiError(500, 'an internal error; the server’s own output says more', 'internal_error');
}
