/**
 * @file What img2dataset leaves beside the pictures that it downloads: for each shard `00000` a table `00000.parquet` of what it
 * tried and a `00000_stats.json` of how it went. They say nothing that the shard does not.
 */

/** The reports among files: a table and its statistics with one number, beside a shard or a folder of that number. */
export function downloadReports(files: readonly string[]): readonly string[] {
  const all = new Set(files);
  const folders = new Set(files.map(path => path.slice(0, path.lastIndexOf('/'))));
  return files.filter(path => {
    const number = path.match(/^(.*?\d+)(?:_stats\.json|\.parquet)$/)?.[1];
    return number !== undefined && (all.has(`${number}.tar`) || all.has(`${number}.tar.gz`) || folders.has(number));
  });
}
