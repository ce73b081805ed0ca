/** Texts are refused by their length before they are tokenised, which takes longer than to say no. */
import { ApiError } from './api-error.js';
import { MAX_CHARACTERS, MAX_CHARACTERS_A_TOKEN } from './limits.js';

/** @throws ApiError 400 for a text that cannot fit into the context. */
export function refuseCharacters(characters: number, contextLength: number, param: string): void {
  const most = Math.min(MAX_CHARACTERS, contextLength * MAX_CHARACTERS_A_TOKEN);
  if (characters > most) throw tooManyCharacters(most, param);
}

export function tooManyCharacters(most: number, param: string): ApiError {
  return new ApiError(400, `more than ${most} characters`, 'context_length_exceeded', param);
}
