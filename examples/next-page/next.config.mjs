// A page of files alone; a server changes nothing for attn, which runs in the browser.
export default { output: 'export' }
