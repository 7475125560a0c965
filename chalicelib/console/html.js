// Markup as tagged templates. Values become text or attributes, never HTML.
import { h } from 'preact';
import htm from 'htm';

export const html = htm.bind(h);
