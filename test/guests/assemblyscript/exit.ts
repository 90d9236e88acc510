// Ends with the exit code it is given. "abort" ends it by a trap,
// "throw" by an exception, of which the shim makes a message and the exit code 255.
console.log("ending");
if (process.argv.length > 1) {
  const how = process.argv[1];
  if (how == "abort") unreachable();
  if (how == "throw") throw new Error("as told");
  process.exit(I32.parseInt(how));
}
