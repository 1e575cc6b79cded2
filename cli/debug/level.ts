/** What the environment variable `DEBUG` asks for: 0 nothing, 1 stacks and notes, 2 kernel times, 3 also WGSL. Other texts count as 1. */
export function debugLevel(env: Readonly<Record<string, string | undefined>> = process.env): number {
  const { DEBUG } = env;
  if (!DEBUG) return 0;
  return /^\d+$/.test(DEBUG) ? Number(DEBUG) : 1;
}
