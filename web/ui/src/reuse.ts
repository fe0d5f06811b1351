/**
 * Keeps the identity of what has not changed, so that a new overview renders
 * only the services that differ from the one before.
 */
export function reuse<T>(old: unknown, next: T): T {
  if (Object.is(old, next) || !isObject(old) || !isObject(next)) return next;
  if (Array.isArray(old) !== Array.isArray(next)) return next;
  const before = old as Record<string, unknown>;
  const after = next as Record<string, unknown>;
  const keys = Object.keys(after);
  let isSame = keys.length === Object.keys(before).length;
  for (const key of keys) {
    after[key] = reuse(before[key], after[key]);
    isSame &&= Object.is(before[key], after[key]);
  }
  return isSame ? (old as T) : next;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
