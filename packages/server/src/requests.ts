/** How requests are read, by itself, for those who try it: packages/fuzz. */
export { ApiError } from './api-error.js';
export { DEFAULT_LIMITS } from './limits.js';
export { readJsonBody } from './request-body.js';
export { RequestReader } from './request-schema.js';
