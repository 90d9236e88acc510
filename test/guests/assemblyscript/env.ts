// The environment variables that the arguments name, and how many there are in all.
const args = process.argv;
const env = process.env;
console.log(env.size.toString() + " variables");
for (let i = 1; i < args.length; i++) {
  const name = args[i];
  console.log(env.has(name) ? name + "=[" + env.get(name) + "]" : name + " is not set");
}
