/* SPDX-License-Identifier: ISC */
/*
 * operator.h - what `guichetd -s` asks the master, and is answered
 *
 * One message each way begins and ends it: a word ("reload", "upgrade"), then
 * any number of lines that the operator is to read ('L' and the text), then
 * the result ('E' and an exit code as a digit). An operator who goes away is
 * nobody's trouble, and neither is one who does not read: lines that find no
 * room are lost and counted, and the result has room of its own.
 */
#ifndef GUICHET_OPERATOR_H
#define GUICHET_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base.h"

#define OPERATORS_MAX       16
#define OPERATOR_WORD_BYTES 32
#define OPERATOR_LINE_BYTES 2048 /* of a line's text; more is cut off */

/* What a message of the master's begins with. */
#define OPERATOR_LINE 'L'
#define OPERATOR_END  'E'

enum operator_request {
	OPERATOR_NONE, /* has said nothing yet */
	OPERATOR_RELOAD,
	OPERATOR_UPGRADE,
	OPERATOR_REQUESTS
};

/* The words that ask for it; NULL for OPERATOR_NONE. */
extern const char *const operator_words[OPERATOR_REQUESTS];

/* An operator who is connected; descriptors are the master's to poll. (Not
   "struct operator": clang-format takes that for C++.) */
struct caller {
	int fd; /* -1: nobody */
	enum operator_request request;
	unsigned n_lost;  /* lines that found no room */
	bool is_deferred; /* what is under way is not what he asked for */
};

struct operators {
	struct caller of[OPERATORS_MAX];
};

void operators_init(struct operators *operators);

/* Lets in all who wait at the rendezvous @fd; beyond OPERATORS_MAX: says so,
   answers EXIT_FAILED and closes. */
void operators_let_in(struct operators *operators, int fd);

/*
 * Reads what @i says. Returns its request when it has just made one, else
 * OPERATOR_NONE; one who is gone, who asks a second time, or who asks for
 * what is not known (which is answered with EXIT_USAGE), is let go.
 */
enum operator_request operators_read(struct operators *operators, size_t i);

/*
 * One who asks while another request is carried out came too late for that
 * one: @i hears nothing until what he asked for is taken up.
 */
void operators_defer(struct operators *operators, size_t i);
void operators_take_up(struct operators *operators,
		       enum operator_request request);

/* A line (without its end) to, and the end for, everybody who asked for
   @request, but for those who are deferred; after the answer they are let go.
 */
void operators_tell(struct operators *operators, enum operator_request request,
		    const char *line);
void operators_answer(struct operators *operators,
		      enum operator_request request, enum exit_code code);

#endif
