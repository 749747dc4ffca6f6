#!/usr/bin/perl

# Workers that are not root, as they usually are: they read the databases that
# the master has copied, and reload them themselves.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

plan skip_all => 'only root may start workers of another user' if $> != 0;

my $t = Test::Gate->new;

chmod 0755, $t->{dir};
$t->countries('203.0.113.0/24' => 'JP');

my $nginx = $t->nginx($t->conf(server => 'return  200  $gate_country;')
                      =~ s/country\.mmdb/country.mmdb reload=100ms/r,
                      user => 'www-data');

my $uid = getpwnam 'www-data';

is(join(' ', map { (stat "/proc/$_")[4] } $nginx->workers),
   "$uid $uid", 'the workers are not root');
is(country(), 'JP', 'they know a country');

$t->countries('203.0.113.0/24' => 'DE');
$t->wait_for(sub { $nginx->said(qr/was reloaded/) });
is(country(), 'DE', 'and the next');

$nginx->reload;
is(country(), 'DE', 'after a reload of nginx, too');

$t->done;

sub country {
    return join ' ', sort { $a cmp $b } keys %{ {
        map { $t->get('/', from => '203.0.113.5', close => 1)->{body} => 1 }
            1 .. 20 } };
}
