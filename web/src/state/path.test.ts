import { describe, expect, it } from 'vitest';
import { askFor, choices, common, shellWord, startPath } from './path';

const found = (...names: string[]) =>
  choices({ directory: '/home/me', home: '/home/me', directories: names.map((name) => ({ name })) });

describe('completing a path', () => {
  it('asks for what begins so in the directory that is typed so far', () => {
    expect(askFor('')).toEqual({ prefix: '' });
    expect(askFor('pro')).toEqual({ prefix: 'pro' });
    expect(askFor('/')).toEqual({ directory: '/', prefix: '' });
    expect(askFor('/ho')).toEqual({ directory: '/', prefix: 'ho' });
    expect(askFor('/home/me/pro')).toEqual({ directory: '/home/me', prefix: 'pro' });
    expect(askFor('~')).toEqual({ directory: '~' });
    expect(askFor('~/pro')).toEqual({ directory: '~', prefix: 'pro' });
  });

  it('makes whole paths of names', () => {
    expect(found('a')[0]?.path).toBe('/home/me/a/');
    const root = choices({ directory: '/', home: '/root', directories: [{ name: 'srv', project: true }] });
    expect(root).toEqual([{ path: '/srv/', name: 'srv', project: true }]);
  });

  it('goes as far as all choices agree', () => {
    expect(common(found('project', 'profile'), '/home/me/p')).toBe('/home/me/pro');
    expect(common(found('project', 'profile'), '/home/me/pro')).toBeUndefined();
    expect(common(found('project'), '/home/me/p')).toBe('/home/me/project/');
    expect(common([], '/x')).toBeUndefined();
  });
});

describe('the path of a session', () => {
  it('is whole and ends without a slash', () => {
    expect(startPath(' /srv/app/ ', undefined)).toBe('/srv/app');
    expect(startPath('~/app', '/home/me')).toBe('/home/me/app');
    expect(startPath('~', '/home/me')).toBe('/home/me');
    expect(startPath('~other', '/home/me')).toBe('~other');
    expect(startPath('/', undefined)).toBe('/');
    expect(startPath('  ', '/home/me')).toBeUndefined();
  });
});

describe('a word for a shell', () => {
  it('is quoted only where it must be', () => {
    expect(shellWord('/a/b-c_1.txt')).toBe('/a/b-c_1.txt');
    expect(shellWord('/a b')).toBe(`'/a b'`);
    expect(shellWord(`it's $HOME`)).toBe(`'it'\\''s $HOME'`);
    expect(shellWord('')).toBe(`''`);
  });
});
