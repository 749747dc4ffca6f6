/*
 * A place: what databases say of an address.  Facts only, in plain C, so that
 * who reads a database, who caches a place and who judges by it share a word.
 */


#ifndef GATE_PLACE_H_INCLUDED
#define GATE_PLACE_H_INCLUDED


#include <stddef.h>
#include <stdint.h>


/* what may be known of an address, bits of "fields" */
#define GATE_PLACE_COUNTRY    0x01
#define GATE_PLACE_CONTINENT  0x02
#define GATE_PLACE_CITY       0x04
#define GATE_PLACE_LOCATION   0x08
#define GATE_PLACE_ASN        0x10
#define GATE_PLACE_ANONYMOUS  0x20

#define GATE_PLACE_ALL        0x3f

/* how an address hides who uses it, bits of "anonymous" */
#define GATE_ANONYMOUS_ANY      0x01    /* said, with or without how */
#define GATE_ANONYMOUS_VPN      0x02
#define GATE_ANONYMOUS_PROXY    0x04    /* public or residential */
#define GATE_ANONYMOUS_TOR      0x08
#define GATE_ANONYMOUS_HOSTING  0x10

/* bytes of a city's name; a longer one is none */
#define GATE_PLACE_CITY_MAX   128


typedef struct {
    unsigned                 fields;        /* which of these are known */
    char                     country[2];    /* ISO 3166-1, A-Z */
    char                     continent[2];  /* AF AN AS EU NA OC SA */
    uint32_t                 asn;
    double                   latitude;      /* degrees, north */
    double                   longitude;     /* degrees, east */
    uint32_t                 radius;        /* km around it, 0: not said */
    unsigned                 anonymous;
    size_t                   city_len;
    char                     city[GATE_PLACE_CITY_MAX];     /* UTF-8 */
} gate_place_t;


#endif /* GATE_PLACE_H_INCLUDED */
