/* SPDX-License-Identifier: ISC */
/*
 * commands.h - the sub-commands of guichet
 *
 * Each gets its own words (argv[0] is its name) and returns an exit code.
 */
#ifndef GUICHET_COMMANDS_H
#define GUICHET_COMMANDS_H

int talk_main(int argc, char **argv);
int send_main(int argc, char **argv);
int ping_main(int argc, char **argv);
int bench_main(int argc, char **argv);

#endif
