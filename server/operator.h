/* SPDX-License-Identifier: ISC */
/*
 * operator.h - what `guichetd -s` asks the master, and is answered
 *
 * One message each way begins and ends it: a word ("reload", "upgrade"), then
 * any number of lines that the operator is to read ('L' and the text), then
 * the result ('E' and an exit code as a digit). An operator who goes away is
 * nobody's trouble, and neither is one who does not read.
 */
#ifndef GUICHET_OPERATOR_H
#define GUICHET_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base.h"

#define OPERATORS_MAX 16
#define OPERATOR_WORD_BYTES 32

enum operator_request {
	OPERATOR_NONE, /* has said nothing yet */
	OPERATOR_RELOAD,
	OPERATOR_UPGRADE,
	OPERATOR_REQUESTS
};

extern const char *const operator_words[OPERATOR_REQUESTS];

/* One who is connected; descriptors are the master's to poll. */
struct operator {
	int fd; /* -1: nobody */
	enum operator_request request;
};

struct operators {
	struct operator of[OPERATORS_MAX];
};

void operators_init(struct operators *operators);

/* Lets in who waits at the rendezvous @fd; beyond OPERATORS_MAX: says so and
   closes. */
void operators_let_in(struct operators *operators, int fd);

/*
 * Reads what @i says. Returns its request when it has just made one, else
 * OPERATOR_NONE; one who is gone, or who asks for what is not known (which is
 * answered), is let go.
 */
enum operator_request operators_read(struct operators *operators, size_t i);

/* A line to, and the end for, everybody who asked for @request. */
void operators_tell(struct operators *operators, enum operator_request request,
		    const char *line);
void operators_answer(struct operators *operators,
		      enum operator_request request, enum exit_code code);

#endif
