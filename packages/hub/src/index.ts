export { locateModel, type LocatedModel, type ModelOrigin } from './locate-model.js';
export { fetchModel, type FetchOptions } from './fetch-model.js';
export type { FetchedModel } from './cached-model.js';
export { hubSettings, type HubSettings } from './hub-settings.js';
export { isModelName, parseModelName, type ModelName } from './model-name.js';
export type { ModelPart } from './needed-files.js';
