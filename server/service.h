/* SPDX-License-Identifier: ISC */
/*
 * service.h - what a service is: a few functions and a state size
 *
 * This is the one header of a service's author, installed as
 * <guichet/service.h>; guichet-service(3) explains it. It needs C11 or C++,
 * the C library's headers, and nothing else of ours.
 *
 * A service sees one connection at a time: the input that has come, a small
 * state of its own, and the output it may append. It never sees a descriptor,
 * the loop, or the process it runs in. Because of that, its connections
 * outlive that process: a handler that was interrupted by a death is called
 * again, by the successor, with the same input and the same state; what it
 * wrote, consumed and changed counts once, when it has returned.
 *
 * So a handler must depend on nothing but the turn it is given, and its
 * configuration. It is called at least once; its bytes go out exactly once.
 */
#ifndef GUICHET_SERVICE_H
#define GUICHET_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Of all that stands here. A server takes no module of another version. */
#define GUICHET_SERVICE_VERSION 2

/* The largest state a service may have. */
#define SERVICE_STATE_MAX_BYTES 256

/* The most counters of its own. */
#define SERVICE_COUNTERS_MAX 8

/* How much unconsumed input may wait before a connection is closed (limit). */
#define SERVICE_INPUT_MAX_BYTES (128U << 10)

/* What becomes of the connection once this turn's output is out. */
enum verdict {
	VERDICT_CONTINUE, /* wait for more input */
	VERDICT_AGAIN,    /* call ->ready when all output was taken */
	VERDICT_CLOSE,    /* say no more: our FIN follows the output */
	VERDICT_RESET,    /* the peer broke the protocol: reset it now */
};

/* One turn of a stream connection. */
struct turn {
	const uint8_t *in; /* all input not yet consumed */
	size_t in_bytes;
	bool is_eof;          /* the peer has ended its stream */
	void *state;          /* state_bytes of it; zero in a new connection */
	const void *settings; /* of the listener: settings_bytes */
	uint64_t produced;    /* bytes of output of all turns before this one */

	size_t consumed; /* the handler says: so much of in is dealt with */

	/* where turn_write() puts output; a handler leaves these alone */
	uint8_t *out;
	size_t out_bytes;
	size_t out_room;
	bool is_in_place; /* the output is `in` itself */

	/* where turn_count() counts */
	uint64_t *counts;
	size_t n_counts;
};

/* One datagram. */
struct datagram {
	const uint8_t *in;
	size_t in_bytes;
	const void *settings; /* of the listener: settings_bytes */
	uint8_t *out;         /* the answer goes here, or is `in` (in_place) */
	size_t out_room;
	size_t out_bytes;
	bool is_in_place;
	bool is_answered;

	/* where datagram_count() counts */
	uint64_t *counts;
	size_t n_counts;
};

#define SERVICE_STREAM   1U
#define SERVICE_DATAGRAM 2U

/*
 * A setting of a service's own, which stands with the listener in the
 * configuration. All of a listener's are taken when the configuration is read
 * (by guichetd -t, too), as the user who starts the server.
 */
struct service_setting {
	const char *name;     /* "file" */
	const char *argument; /* what its value looks like: "FILE" */
	const char *fallback; /* the value when none is given; NULL: unset */
	const char *help;     /* one line */
	/*
	 * Takes @value into @settings. Returns NULL, or what is wrong with the
	 * value: "is not ...", good until the next call.
	 */
	const char *(*set)(void *settings, const char *value);
};

/*
 * A counter of a service's own. It stands with each of its listeners in every
 * readout, beside those that guichetd keeps for all.
 */
struct service_counter {
	const char *name; /* "words.found": small letters, digits, _ and . */
	const char *unit; /* "bytes", "seconds"; "": it counts things */
	const char *help; /* one line, no full stop */
};

struct service {
	const char *name;
	const char *help;    /* one line */
	unsigned transports; /* SERVICE_STREAM | SERVICE_DATAGRAM */
	size_t state_bytes;  /* at most SERVICE_STATE_MAX_BYTES */

	/* the table of its settings, and the size of what they are set in:
	   one for each listener, zero at first, read-only once it is checked */
	const struct service_setting *settings;
	size_t n_settings;
	size_t settings_bytes;
	/*
	 * All settings of a listener are set: returns NULL, or what is wrong
	 * with them together ("no command = is given"). May open and load what
	 * they name; @transports: SERVICE_STREAM or SERVICE_DATAGRAM. NULL
	 * where there is nothing to check.
	 */
	const char *(*check)(void *settings, unsigned transports);
	/* Frees what set and check have allocated; NULL: they have nothing. */
	void (*release)(void *settings);

	/* at most SERVICE_COUNTERS_MAX */
	const struct service_counter *counters;
	size_t n_counters;

	/*
	 * open: a connection is there and has said nothing; NULL where the
	 * service waits for the client. input: new input, or its end. ready:
	 * all output was taken, after VERDICT_AGAIN; NULL where that is for
	 * input to go on with.
	 */
	enum verdict (*open)(struct turn *turn);
	enum verdict (*input)(struct turn *turn);
	enum verdict (*ready)(struct turn *turn);
	void (*datagram)(struct datagram *datagram);

	/*
	 * When the server drains, a connection in which nothing is under way
	 * (no unconsumed input, no untaken output) may be closed at once: its
	 * client knows that between a question and an answer of this service
	 * there is nothing to wait for. Others have until drain-timeout.
	 */
	bool closes_idle;
};

/*
 * Appends @bytes of @data to the turn's output. Returns false, and appends
 * nothing, when there is no room: end the turn with VERDICT_AGAIN and go on
 * in ->ready. The input itself, written first and whole, costs no copy.
 */
static inline bool turn_write(struct turn *turn, const void *data, size_t bytes)
{
	if (data == turn->in && !turn->out_bytes) {
		turn->is_in_place = true;
		turn->out_bytes = bytes;
		return true;
	}
	if (turn->is_in_place || bytes > turn->out_room - turn->out_bytes)
		return false;
	memcpy(turn->out + turn->out_bytes, data, bytes);
	turn->out_bytes += bytes;
	return true;
}

/* The same for a datagram's answer; an answer may be empty. */
static inline bool datagram_write(struct datagram *datagram, const void *data,
				  size_t bytes)
{
	datagram->is_answered = true;
	if (data == datagram->in && !datagram->out_bytes) {
		datagram->is_in_place = true;
		datagram->out_bytes = bytes;
		return true;
	}
	if (datagram->is_in_place ||
	    bytes > datagram->out_room - datagram->out_bytes)
		return false;
	memcpy(datagram->out + datagram->out_bytes, data, bytes);
	datagram->out_bytes += bytes;
	return true;
}

/*
 * Adds @n to the service's counter @index. It counts with the turn: once,
 * whatever dies, and not at all when the turn ends with VERDICT_RESET.
 */
static inline void turn_count(struct turn *turn, size_t index, uint64_t n)
{
	if (index < turn->n_counts)
		turn->counts[index] += n;
}

/* The same for a datagram. */
static inline void datagram_count(struct datagram *datagram, size_t index,
				  uint64_t n)
{
	if (index < datagram->n_counts)
		datagram->counts[index] += n;
}

/* ---- modules ---- */

/* What a module exports, under this very name. */
struct guichet_module {
	uint32_t magic;
	uint32_t version;
	const struct service *service;
};

#define GUICHET_MODULE_MAGIC 0x67756963U /* "guic" */

/*
 * Makes a shared object a module, which `service = /its/path.so` names:
 *
 *     static const struct service hello = { .name = "hello", ... };
 *     GUICHET_SERVICE(hello);
 */
#define GUICHET_SERVICE(its_service)                                          \
	const struct guichet_module guichet_module = {                        \
		GUICHET_MODULE_MAGIC, GUICHET_SERVICE_VERSION, &(its_service) \
	}

#ifdef __cplusplus
extern "C" {
#endif
extern __attribute__((visibility("default")))
const struct guichet_module guichet_module;
#ifdef __cplusplus
}
#endif

#endif
