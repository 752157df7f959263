// SPDX-License-Identifier: Apache-2.0

package session

// table is every subcommand, in the order in which they are listed. The usage
// lines are known to programs.
func table() []verb {
	return []verb{
		{name: "add", writes: true, run: (*Session).add,
			usage: "add <resource-type>\n\t(global scope)\nadd <property-name> <property-value>\n\t(resource scope)",
			help: "In the global scope, begin a new resource of the type and go into its scope.\n" +
				"In a resource scope, add a value to a property that takes several."},
		{name: "cancel", usage: "cancel", run: (*Session).cancel,
			help: "Drop the resource that is being added or modified and go back to the global\nscope."},
		{name: "clear", usage: "clear <property-name>", writes: true, run: (*Session).clear,
			help: "Make a property unset."},
		{name: "commit", usage: "commit", writes: true, run: (*Session).commitVerb,
			help: "Verify the configuration and store it. What is not committed is not stored;\nthe end of the session commits."},
		{name: "create", usage: "create [-F] [ -a <path> | -b | -t <template> ]", writes: true, run: (*Session).create,
			help: "Begin a new configuration: from the default template, from an empty one with\n" +
				"-b, from a template or another zone with -t, or from what a detached zone at\n" +
				"the path says with -a. -F replaces the configuration of an existing zone\n" +
				"without asking. -X enters a configuration file that is there already."},
		{name: "delete", usage: "delete [-F]", writes: true, run: (*Session).deletes,
			help: "Remove the configuration of the zone at once. -F does not ask, and removes that\nof an installed zone as well. No data is touched."},
		{name: "end", usage: "end", run: (*Session).end,
			help: "Complete the resource that is being added or modified and go back to the global\nscope."},
		{name: "exit", usage: "exit [-F]", run: (*Session).exit,
			help: "End the session; what is not committed yet is committed first. -F does not ask."},
		{name: "export", usage: "export [-f output-file]", run: (*Session).export,
			help: "Print commands that make this configuration, or write them to a file."},
		{name: "help", usage: "help [commands] [syntax] [usage] [<command-name>]", run: (*Session).help,
			help: "Explain a subcommand or a topic."},
		{name: "info", usage: "info [<resource-type> [property-name=property-value]*]", run: (*Session).info,
			help: "Show the whole configuration, one property, the resources of a type, or those\nof them that match. In a resource scope, show that resource."},
		{name: "remove", writes: true, run: (*Session).remove,
			usage: "remove [-F] <resource-type> [ <property-name>=<property-value> ]*\n\t(global scope)\n" +
				"remove <property-name> <property-value>\n\t(resource scope)",
			help: "In the global scope, remove the resource that matches, or all of the type; -F\n" +
				"does not ask. In a resource scope, take a value from a property that takes several."},
		{name: "revert", usage: "revert [-F]", writes: true, run: (*Session).revert,
			help: "Go back to the configuration that was committed last. -F does not ask."},
		{name: "select", usage: "select <resource-type> { <property-name>=<property-value> }", writes: true, run: (*Session).selects,
			help: "Go into the scope of the one resource that matches, to modify it."},
		{name: "set", usage: "set <property-name>=<property-value>", writes: true, run: (*Session).set,
			help: "Give a property a value."},
		{name: "verify", usage: "verify", writes: true, run: (*Session).verifyVerb,
			help: "Check the configuration as a whole. Nothing is stored."},
	}
}
