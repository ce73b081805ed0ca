export {
  startModelServer,
  type ModelServer,
  type ModelServerOptions,
  type RequestEvent,
} from './model-server.js';
export { DEFAULT_LIMITS, type ServerLimits } from './limits.js';
