// The arguments, one a line, behind their number.
const args = process.argv;
console.log((args.length - 1).toString() + " arguments");
for (let i = 1; i < args.length; i++) console.log("[" + args[i] + "]");
