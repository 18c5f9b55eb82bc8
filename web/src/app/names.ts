/** What people see as this browser's name: what it is, and what it runs on. */
export function clientName(userAgent: string = navigator.userAgent): string {
  const browser = /Firefox|Edg|Chrome|Safari/.exec(userAgent)?.[0].replace('Edg', 'Edge') ?? 'browser';
  const system = /Android|iPhone|iPad|Mac OS X|Windows|Linux/.exec(userAgent)?.[0].replace('Mac OS X', 'macOS') ?? '';
  return system ? `${browser} on ${system}` : browser;
}
