export { exportTrl, type ExportOptions } from './export-trl.js';
export { importCache, type ImportCacheOptions } from './import-cache.js';
