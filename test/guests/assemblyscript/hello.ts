// Both standard streams.
process.stdout.write("hello, world\n");
process.stderr.write("hello, standard error\n");
