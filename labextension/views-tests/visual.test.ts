import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count, dataSize, duration, functionIndex, rate } from '../src/views/visual';
import vectors from '../../tests/unit/visual_vectors.json';

const FORMATS = { count, data_size: dataSize, duration, rate };

for (const [name, format] of Object.entries(FORMATS)) {
  test(`${name} writes what Python writes`, () => {
    for (const [value, text] of vectors.formats[name as keyof typeof FORMATS] as [number, string][]) {
      assert.equal(format(value), text);
    }
  });
}

test('functions have the hue that Python gives them', () => {
  for (const [name, index] of vectors.function_index as [string, number][]) {
    assert.equal(functionIndex(name), index, name);
  }
});
